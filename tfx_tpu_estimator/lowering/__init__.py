"""From a user's model_fn to a graph that an engine can run."""
