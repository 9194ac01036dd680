"""A transformer encoder of BERT-base's size, for the compile check and as a pattern."""
