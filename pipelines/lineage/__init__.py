"""Where a model came from, and training it again from what was recorded."""
