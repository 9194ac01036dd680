"""Training with evaluation: train_and_evaluate, early stopping, and what goes with them."""
