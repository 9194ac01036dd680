"""The Evaluator component."""
