"""ImportExampleGen with input files that are checked."""
