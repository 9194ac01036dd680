"""Kubeflow Pipelines and Vertex: the same pipeline as a PipelineSpec, and a local run of that."""

from __future__ import annotations

import importlib
from typing import Any

_EXPORTS = {
    "IrStep": ".local_run",
    "KubeflowConfig": ".config",
    "StepFailedError": ".local_run",
    "StepResources": ".config",
    "VertexTPUJob": ".vertex",
    "compile_kubeflow": ".compile",
    "read_options": ".config",
    "run_ir": ".local_run",
    "train_on_vertex": ".vertex",
}

__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}"
        )
    return getattr(importlib.import_module(_EXPORTS[name], __name__), name)
