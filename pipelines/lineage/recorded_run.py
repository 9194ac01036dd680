"""The training run of a model, rebuilt from what a lineage store holds."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

from tfx import types
from tfx.dsl.io import fileio
from tfx.types import standard_artifacts
from tfx.types import standard_component_specs as specs

from tfx_tpu_estimator.components import constants
from tfx_tpu_estimator.components.host_options import LOCAL
from tfx_tpu_estimator.components.module_source import ModuleSource
from tfx_tpu_estimator.components.properties import set_custom_properties
from tfx_tpu_estimator.components.run_record import read_run_record
from tfx_tpu_estimator.components.trainer.provenance import unpack_source

from .store import Artifact, Execution, LineageStore

_TRAINER = "tfx_tpu_estimator.components.trainer.component.Trainer"


class NotRepeatableError(ValueError):
    """What is recorded of a model is not enough to train it again."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedRun:
    """A training run.

    Attributes:
        model: The model it made.
        execution: The execution of the Trainer.
        inputs: Its input artifacts, as TFX hands them to an executor.
        parameters: Its parameters, as TFX hands them to an executor.
        source: Source of the user's module; None for a module given by its dotted name.
    """

    model: Artifact
    execution: Execution
    inputs: Mapping[str, list[types.Artifact]]
    parameters: Mapping[str, Any]
    source: ModuleSource | None

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the Trainer recorded of the run."""
        return self.model.custom_properties


def read_recorded_run(store: LineageStore, model: Artifact) -> RecordedRun:
    """Reads everything that is needed to train a model again.

    Args:
        store: Where to read.
        model: The Model artifact.

    Raises:
        NotRepeatableError: If this package's Trainer did not make the model, or its module's source
            or an input is gone.

    Example:
        read_recorded_run(store, find_model(store, "4")).source.text
    """
    execution = store.get_producer(model.id)
    if execution is None or execution.type != _TRAINER:
        made_by = "unknown" if execution is None else execution.type
        raise NotRepeatableError(
            f"model {model.id} was not made by this package's Trainer (made by: {made_by}): what "
            "it was trained with is not recorded."
        )
    inputs: dict[str, list[types.Artifact]] = {}
    for key, artifact in store.get_inputs(execution.id):
        if not fileio.exists(artifact.uri):
            raise NotRepeatableError(
                f"`{key}` of the run, artifact {artifact.id}, is not at {artifact.uri} any more. "
                "If that is a relative path, run this where the pipeline ran; else put it back."
            )
        inputs.setdefault(key, []).append(_to_tfx(artifact))
    source = None
    if execution.properties.get(specs.MODULE_FILE_KEY):
        source = _read_source(model)
    return RecordedRun(
        model=model,
        execution=execution,
        inputs=inputs,
        parameters=_read_parameters(execution, model),
        source=source,
    )


def _read_parameters(execution: Execution, model: Artifact) -> dict[str, Any]:
    parameters = {k: v for k, v in execution.properties.items() if not k.startswith("__")}
    options = json.loads(parameters.get(constants.OPTIONS_KEY) or "{}")
    # Checkpoints of the retraining have a place of their own.
    options.pop("checkpoint_dir", None)
    # As many processes as there were, all of them on this machine.
    options.pop("hosts", None)
    count = int(model.get(constants.PROCESSES) or 1)
    if count > 1:
        options["hosts"] = {"num_processes": count, "launch": LOCAL}
    parameters[constants.OPTIONS_KEY] = json.dumps(options, sort_keys=True)
    return parameters


def _read_source(model: Artifact) -> ModuleSource:
    source = unpack_source(model.get)
    if source is not None:
        return source
    record = read_run_record(model.uri)
    if record is None:
        raise NotRepeatableError(
            f"the source of the module that model {model.id} was trained with is neither in the "
            f"store nor at {os.path.join(model.uri, constants.RUN_RECORD_DIR)}."
        )
    return record.source


def _to_tfx(artifact: Artifact) -> types.Artifact:
    kinds = {
        kind.TYPE_NAME: kind
        for kind in vars(standard_artifacts).values()
        if isinstance(kind, type) and issubclass(kind, types.Artifact)
    }
    if artifact.type not in kinds:
        raise NotRepeatableError(
            f"artifact {artifact.id} has the type {artifact.type!r}, which is none of TFX's own."
        )
    found = kinds[artifact.type]()
    found.uri, found.id = artifact.uri, artifact.id
    for key, value in artifact.properties.items():
        setattr(found, key, value)
    set_custom_properties(found, artifact.custom_properties)
    return found
