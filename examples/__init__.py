"""Example user modules, and the data they need."""
