"""Pipelines built from the components, and how to run them."""
