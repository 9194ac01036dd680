"""Handwritten digits: a small convolutional network."""
