"""ImportSchemaGen that notices a changed schema."""
