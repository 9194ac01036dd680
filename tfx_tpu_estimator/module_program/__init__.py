"""Runs a module of plain functions without TFX: what the command line trains, asks and exports."""
