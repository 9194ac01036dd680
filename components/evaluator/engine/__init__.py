"""Metrics by slice, computed in one pass over batches and written as TFMA writes them."""
