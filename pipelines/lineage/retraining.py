"""Trains a model again from what was recorded, and says whether the result is identical."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from typing import Any

from tfx.dsl.io import fileio
from tfx.types import standard_artifacts
from tfx.types import standard_component_specs as specs
from tfx.utils import path_utils

from tfx_tpu_estimator.components import constants
from tfx_tpu_estimator.components.digest import code_digest
from tfx_tpu_estimator.components.properties import describe_versions
from tfx_tpu_estimator.components.trainer.executor import Executor
from tfx_tpu_estimator.components.trainer.inputs import load_user_module, resolve_inputs
from tfx_tpu_estimator.components.trainer.provenance import describe_environment, digest_inputs

from .comparing import (
    BEFORE,
    VERSIONS,
    Difference,
    compare_facts,
    compare_models,
    compare_results,
)
from .recorded_run import RecordedRun

_NUM_CORES = "TFX_TPU_ESTIMATOR_NUM_CORES"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RetrainReport:
    """What came of training a model again.

    Attributes:
        model: Number of the model.
        uri: Where it is.
        trained: Whether it was trained again; not where data or module differ.
        identical: Whether graphs, variables and assets are the same to the bit.
        digest: Digest of the recorded model.
        new_digest: Digest of the new one; None where there is none.
        new_uri: Where the new one is; None where there is none.
        differences: What differs, the cause before its effects.
    """

    model: int
    uri: str
    trained: bool
    identical: bool
    digest: str
    new_digest: str | None = None
    new_uri: str | None = None
    differences: Sequence[Difference] = ()

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as plain data."""
        return dataclasses.asdict(self)


def retrain(run: RecordedRun, output: str, *, anyway: bool = False) -> RetrainReport:
    """Trains a model again, in this process.

    What it was trained with is compared first. Where the data or the module is another one, nothing
    is trained: the result could not be the same.

    Args:
        run: The run, from `read_recorded_run`.
        output: Directory for the new model; made if it does not exist.
        anyway: Whether to train with other data or another module all the same.

    Raises:
        ValueError: If `output` has a model already, or something recorded cannot be used.
        OSError: If the model cannot be written.

    Example:
        retrain(read_recorded_run(store, find_model(store, "4")), "again").identical
    """
    _check_output(output)
    parameters = _place_module(run, output)
    differences = _compare_before(run, parameters)
    versions = compare_facts(
        VERSIONS,
        run.facts,
        {
            **describe_versions(),
            **describe_environment(),
            constants.CODE_DIGEST: code_digest(),
        },
    )
    digest = str(run.facts.get(constants.MODEL_DIGEST))
    report = RetrainReport(
        model=run.model.id,
        uri=run.model.uri,
        trained=False,
        identical=False,
        digest=digest,
        differences=[*differences, *versions],
    )
    if differences and not anyway:
        return report
    model = _train(run, parameters, output)
    new_facts = {key: _read(model, key) for key in run.facts}
    new_digest = model.get_string_custom_property(constants.MODEL_DIGEST)
    results = []
    if new_digest != digest:
        results = [*compare_results(run.facts, new_facts), *_compare_files(run, model.uri)]
    return dataclasses.replace(
        report,
        trained=True,
        identical=new_digest == digest,
        new_digest=new_digest,
        new_uri=model.uri,
        differences=[*report.differences, *results],
    )


def _check_output(output: str) -> None:
    if fileio.exists(os.path.join(output, "model")):
        raise ValueError(
            f"`output` {output} has a model already: give another directory, or remove it."
        )
    fileio.makedirs(output)


def _place_module(run: RecordedRun, output: str) -> dict[str, Any]:
    """Writes the recorded source, and returns the parameters that name it."""
    parameters = dict(run.parameters)
    if run.source is not None:
        folder = os.path.join(output, "module")
        for name, text in run.source.files.items():
            path = os.path.join(folder, name)
            fileio.makedirs(os.path.dirname(path))
            with fileio.open(path, "w") as file:
                file.write(text)
        parameters[specs.MODULE_FILE_KEY] = os.path.join(folder, run.source.main)
    return parameters


def _compare_before(run: RecordedRun, parameters: dict[str, Any]) -> list[Difference]:
    inputs = resolve_inputs(run.inputs, parameters)
    module = load_user_module(parameters)
    now = {**digest_inputs(inputs), constants.MODULE_DIGEST: module.source.digest}
    return compare_facts(BEFORE, run.facts, now)


def _train(run: RecordedRun, parameters: dict[str, Any], output: str) -> Any:
    replicas = run.facts.get(constants.REPLICAS)
    options = json.loads(parameters[constants.OPTIONS_KEY])
    if replicas and options.get("num_shards") is None:
        # So many were there then; virtual devices can be had in any number, in each process.
        processes = int(run.facts.get(constants.PROCESSES) or 1)
        os.environ.setdefault(_NUM_CORES, str(int(replicas) // processes))
    model, model_run = standard_artifacts.Model(), standard_artifacts.ModelRun()
    for artifact, name in ((model, "model"), (model_run, "model_run")):
        artifact.uri = os.path.join(output, name)
        fileio.makedirs(artifact.uri)
    Executor().Do(
        {key: list(artifacts) for key, artifacts in run.inputs.items()},
        {specs.MODEL_KEY: [model], specs.MODEL_RUN_KEY: [model_run]},
        parameters,
    )
    return model


def _read(model: Any, key: str) -> Any:
    if not model.has_custom_property(key):
        return None
    value = model.mlmd_artifact.custom_properties[key]
    return getattr(value, value.WhichOneof("value"))


def _compare_files(run: RecordedRun, uri: str) -> list[Difference]:
    recorded, new = path_utils.serving_model_dir(run.model.uri), path_utils.serving_model_dir(uri)
    if not fileio.exists(os.path.join(recorded, constants.SAVED_MODEL_FILE)):
        return [Difference(what="model", recorded="its files are gone", now="there")]
    return compare_models(recorded, new)
