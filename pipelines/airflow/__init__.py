"""Airflow: the same pipeline as a DAG, in TFX's environment or beside it."""

from __future__ import annotations

import importlib
from typing import Any

_EXPORTS = {
    "AirflowConfig": ".config",
    "create_dag": ".dag",
    "read_settings": ".settings",
    "write_command_dag": ".dag_files",
    "write_dag": ".dag_files",
}

__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}"
        )
    return getattr(importlib.import_module(_EXPORTS[name], __name__), name)
