"""Evaluation results."""
