"""Checks a compiled pipeline without a cluster."""

from __future__ import annotations

import importlib
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

SCHEMA_VERSION = "2.1.0"
_CLASS_OPTION = "--executor_class_path"


def validate_job(job: dict[str, Any]) -> Any:
    """Checks that a PipelineJob can run, as far as that shows without a cluster.

    Args:
      job: A PipelineJob as plain data.

    Returns:
      Its PipelineSpec as kfp's message.

    Raises:
      ValueError: A field that kfp's messages don't have, another schema version, an executor that
        cannot be imported, a step without an image, or a task that reads what no task gives.
    """
    try:
        messages: Any = pipeline_spec_pb2  # its classes are made at run time
        json_format.ParseDict(job, messages.PipelineJob())
        spec = json_format.ParseDict(job["pipelineSpec"], messages.PipelineSpec())
    except json_format.ParseError as error:
        raise ValueError(f"The compiled pipeline is no PipelineJob of kfp: {error}") from error
    if spec.schema_version != SCHEMA_VERSION:
        raise ValueError(
            f"The compiled pipeline has schema version {spec.schema_version!r}; newer versions of "
            f"kfp read {SCHEMA_VERSION} only."
        )
    executors = job["pipelineSpec"]["deploymentSpec"]["executors"]
    for label, executor in executors.items():
        if "container" in executor:
            _check_container(label, executor["container"])
    _check_tasks(spec, set(executors))
    return spec


def _check_container(label: str, container: dict[str, Any]) -> None:
    if not container.get("image"):
        raise ValueError(f"`{label}` has no image.")
    arguments = container.get("args", [])
    if _CLASS_OPTION not in arguments:
        return
    path = arguments[arguments.index(_CLASS_OPTION) + 1]
    module, _, name = path.rpartition(".")
    if module == "__main__":
        raise ValueError(
            f"The executor {path!r} of `{label}` is defined in the script that was run, which no "
            "container has. Move it into a module that is installed in the image."
        )
    try:
        getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"The executor {path!r} of `{label}` cannot be imported: {error}. It must be in a "
            "module that is installed in the image."
        ) from error


def _check_tasks(spec: Any, executors: set[str]) -> None:
    tasks = spec.root.dag.tasks
    for name, task in tasks.items():
        component = spec.components.get(task.component_ref.name)
        if component is None or component.executor_label not in executors:
            raise ValueError(f"Task `{name}` has no component or executor.")
        for key, source in task.inputs.artifacts.items():
            producer = source.task_output_artifact.producer_task
            output = source.task_output_artifact.output_artifact_key
            if producer not in tasks:
                raise ValueError(
                    f"Input `{key}` of task `{name}` comes from no task: {producer!r}."
                )
            given = spec.components[tasks[producer].component_ref.name].output_definitions.artifacts
            if output not in given:
                raise ValueError(
                    f"Input `{key}` of task `{name}` is the output {output!r} of `{producer}`, "
                    f"which gives {', '.join(sorted(given))}."
                )
