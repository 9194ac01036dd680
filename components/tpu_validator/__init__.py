"""The TPUValidator component."""
