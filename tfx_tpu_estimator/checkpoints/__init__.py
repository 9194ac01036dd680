"""TF1-format checkpoints: finding, reading, warm start."""
