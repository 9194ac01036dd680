"""Compiles every program of a model for TPUs that are not there, and reports what came of it."""
