"""A residual network of 50 layers, for the compile check and as a pattern."""
