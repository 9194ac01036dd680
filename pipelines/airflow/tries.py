"""A second try of a task within one run, which TFX's launcher for Airflow cannot do by itself.

It finds the record of the first try in ML Metadata and adds the same inputs to it again, which ML
Metadata refuses. So the record is set aside first: it stays, but no longer under the task's name.
Outputs have names that are unique in a store, and cannot be renamed: each try has its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_metadata
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.components.base import base_driver
from tfx.orchestration import data_types

from .shared_events import share_events

# As TFX's launcher names them.
_KIND = "component_run"
_ID = "component_id"
_STATE = "state"
_MARK = " (earlier try)"
_OPEN = (metadata_store_pb2.Execution.NEW, metadata_store_pb2.Execution.RUNNING)


def launch(
    launcher: Callable[..., None],
    component_id: str,
    pipeline_info: data_types.PipelineInfo,
    connection: metadata_store_pb2.ConnectionConfig,
    **context: Any,
) -> None:
    """Runs a component as TFX does, whether or not it has been tried before in the same run.

    Args:
      launcher: What TFX has a task call.
      component_id: Id of the component.
      pipeline_info: The pipeline's name and root.
      connection: Where ML Metadata is.
      **context: What Airflow hands to a task, with `ti`, its instance.
    """
    info = data_types.PipelineInfo(
        pipeline_name=pipeline_info.pipeline_name,
        pipeline_root=pipeline_info.pipeline_root,
        run_id=context["ti"].get_dagrun().run_id,
    )
    component = data_types.ComponentInfo(
        component_type=_KIND, component_id=component_id, pipeline_info=info
    )
    set_aside(ml_metadata.MetadataStore(connection), component.component_run_context_name)
    launcher(**context)


def set_aside(store: ml_metadata.MetadataStore, name: str) -> None:
    """Renames the record of an earlier try, if there is one.

    Args:
      store: ML Metadata.
      name: Name of the context of the component in this run.
    """
    if _KIND not in [kind.name for kind in store.get_context_types()]:
        return
    context = store.get_context_by_type_and_name(_KIND, name)
    if context is None:
        return
    executions = store.get_executions_by_context(context.id)
    for execution in executions:
        # Downstream, inputs are what the first execution with the producer's id has made.
        old = execution.properties[_ID].string_value
        execution.properties[_ID].string_value = f"{old.split(_MARK)[0]}{_MARK}"
        if execution.last_known_state in _OPEN:
            execution.last_known_state = metadata_store_pb2.Execution.FAILED
            execution.properties[_STATE].string_value = "failed"
    store.put_executions(executions)
    # Last: killed before this, the next try does all of it again.
    context.name = f"{name}.earlier-{context.id}"
    store.put_contexts([context])


def make_driver(driver: type[base_driver.BaseDriver]) -> type[base_driver.BaseDriver]:
    """Returns a driver that does as `driver` does, where that one would fail too.

    It gives outputs names of their execution, and lets an artifact be two inputs of one execution.

    Args:
      driver: A component's driver.
    """

    class Driver(driver):
        def __init__(self, metadata_handle: Any):
            super().__init__(metadata_handle)
            share_events(metadata_handle)

        def _prepare_output_artifacts(self, *args: Any, **kwargs: Any) -> dict[str, list[Any]]:
            outputs = super()._prepare_output_artifacts(*args, **kwargs)
            execution_id = kwargs["execution_id"] if "execution_id" in kwargs else args[3]
            for artifacts in outputs.values():
                for artifact in artifacts:
                    artifact.name = f"{artifact.name}:{execution_id}"
            return outputs

    return Driver
