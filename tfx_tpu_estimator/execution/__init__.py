"""The engines: they run a built graph step by step."""
