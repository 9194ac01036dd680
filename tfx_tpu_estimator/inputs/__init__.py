"""From file patterns and input_fns to batches of features and labels."""
