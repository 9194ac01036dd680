"""What a pipeline run did, read back from ML Metadata."""

from __future__ import annotations

import dataclasses
from typing import Any

import ml_metadata
from ml_metadata.proto import metadata_store_pb2

from tfx_tpu_estimator.components import constants

from .metadata_store import connect, hide_password

_STATES = metadata_store_pb2.Execution.State
# What TFX's local runner calls a run, and what Airflow's does.
_RUNS = ("pipeline_run", "run")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunReport:
    """The latest run of a pipeline.

    Attributes:
      nodes: {node id: "COMPLETE", "CACHED" or "FAILED"}, in the order they ran.
      artifacts: {type name: custom properties, with `uri` and `id`, of the artifact of that type
        that the run made or took from the cache}.

    Example:
      read_latest_run("out/metadata.sqlite", "taxi").metrics["auc"]
    """

    nodes: dict[str, str]
    artifacts: dict[str, dict[str, Any]]

    @property
    def metrics(self) -> dict[str, float]:
        """The model's evaluation metrics by name."""
        model = self.artifacts.get("Model", {})
        return {
            key.removeprefix(constants.METRIC_PREFIX): value
            for key, value in model.items()
            if key.startswith(constants.METRIC_PREFIX)
        }


def read_latest_run(metadata_path: str, pipeline_name: str) -> RunReport:
    """Reads the latest run of a pipeline, by the local runner or by Airflow.

    Args:
      metadata_path: The SQLite file, or the server, as in `PipelineConfig`.
      pipeline_name: Name of the pipeline.

    Returns:
      What its nodes did, and the artifacts they made or took from the cache.

    Raises:
      ValueError: The store holds no run of that pipeline.

    Example:
      read_latest_run("out/metadata.sqlite", "taxi").nodes
    """
    store = connect(metadata_path)
    runs = [
        c
        for kind in _RUNS
        for c in store.get_contexts_by_type(kind)
        if any(p.name == pipeline_name for p in store.get_parent_contexts_by_context(c.id))
        or c.properties["pipeline_name"].string_value == pipeline_name
    ]
    if not runs:
        raise ValueError(
            f"{hide_password(metadata_path)} holds no run of a pipeline called {pipeline_name!r}."
        )
    context = max(runs, key=lambda c: c.id)
    executions = sorted(store.get_executions_by_context(context.id), key=lambda e: e.id)
    nodes = {_node_of(store, e): _STATES.Name(e.last_known_state) for e in executions}
    types = {t.id: t.name for t in store.get_artifact_types()}
    artifacts = {}
    for artifact in sorted(store.get_artifacts_by_context(context.id), key=lambda a: a.id):
        artifacts[types[artifact.type_id]] = _properties(artifact)
    return RunReport(nodes=nodes, artifacts=artifacts)


def _node_of(store: ml_metadata.MetadataStore, execution: Any) -> str:
    for context in store.get_contexts_by_execution(execution.id):
        if context.type == "node":
            return context.name.split(".", 1)[-1]
        if context.type == "component_run":  # of Airflow
            return context.properties["component_id"].string_value
    return execution.type


def _properties(artifact: Any) -> dict[str, Any]:
    values = {
        key: getattr(value, value.WhichOneof("value"))
        for key, value in artifact.custom_properties.items()
        if value.WhichOneof("value")
    }
    return {**values, "uri": artifact.uri, "id": artifact.id}
