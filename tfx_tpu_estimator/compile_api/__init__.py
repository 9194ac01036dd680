"""From a module, a model_fn or an estimator to its compile check."""
