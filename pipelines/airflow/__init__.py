"""Airflow: the same pipeline as a DAG, in TFX's environment or beside it."""

from __future__ import annotations

from tfx_tpu_estimator.lazy_exports import lazy_exports

_EXPORTS = {
    "AirflowConfig": ".config",
    "create_dag": ".dag",
    "read_settings": ".settings",
    "write_command_dag": ".dag_files",
    "write_dag": ".dag_files",
}

__all__ = sorted(_EXPORTS)
__getattr__, __dir__ = lazy_exports(__name__, _EXPORTS)
