"""Event files and progress."""
