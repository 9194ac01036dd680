"""SavedModels with the metagraphs {serve} and {serve, tpu}."""
