"""Estimators that bring their own model: heads, networks, and DNN*, Linear*, Baseline* classes."""
