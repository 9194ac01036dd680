"""Kubeflow Pipelines and Vertex: the same pipeline as a PipelineSpec, and a local run of that."""
