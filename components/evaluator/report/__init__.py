"""The evaluation as one HTML file, and as a table or JSON."""
