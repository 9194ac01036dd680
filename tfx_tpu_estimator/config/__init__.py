"""Run-time configuration: RunConfig, TPUConfig and the processes of a cluster."""
