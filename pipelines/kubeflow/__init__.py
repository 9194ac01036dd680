"""Kubeflow Pipelines and Vertex: the same pipeline as a PipelineSpec, and a local run of that."""

from __future__ import annotations

from tfx_tpu_estimator.lazy_exports import lazy_exports

_EXPORTS = {
    "IrStep": ".local_run",
    "KubeflowConfig": ".config",
    "StepFailedError": ".local_run",
    "StepResources": ".config",
    "VertexTPUJob": ".vertex",
    "compile_kubeflow": ".compile",
    "read_options": ".config",
    "read_settings": ".settings",
    "run_ir": ".local_run",
    "train_on_vertex": ".vertex",
}

__all__ = sorted(_EXPORTS)
__getattr__, __dir__ = lazy_exports(__name__, _EXPORTS)
