"""What must be known of a run to repeat it, beyond its parameters."""

from __future__ import annotations

import base64
import itertools
import json
import os
import platform
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from tfx_tpu_estimator.installed import find_version
from tfx_tpu_estimator.runs.training_log import TrainingFacts

from .. import constants
from ..digest import (
    combine_digests,
    compute_directory_digest,
    compute_file_digest,
    compute_text_digest,
)
from ..examples import SplitFiles, list_split_files
from ..module_source import ModuleSource
from .functions_form import TrainedModel
from .inputs import TrainerInputs
from .program_hash import hash_program

# ML Metadata on PostgreSQL has an index over texts, which takes none longer than about 2,700 bytes,
# and it cannot write a backslash; so a source is packed, and divided over several properties.
_PART = 2_000
_MAX_PARTS = 50
# Environment variables that change numbers, or which devices there are.
_SETTINGS = (
    "JAX_DEFAULT_MATMUL_PRECISION",
    "NVIDIA_TF32_OVERRIDE",
    # The order of sets of strings in a module.
    "PYTHONHASHSEED",
    "TFX_TPU_ESTIMATOR_PLATFORM",
    "TF_CUDNN_DETERMINISTIC",
    "TF_DETERMINISTIC_OPS",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_USE_LEGACY_KERAS",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
)
# What TensorFlow takes them for where they are not set.
_DEFAULTS = {"TF_ENABLE_ONEDNN_OPTS": "1"}


def describe_provenance(inputs: TrainerInputs, source: ModuleSource) -> dict[str, Any]:
    """Digests what a run read, and names what it ran on.

    Args:
        inputs: Data, schema and the rest.
        source: Source of the user's module.

    Returns:
        Custom properties of the Model; None where something was not given.
    """
    return {
        **digest_inputs(inputs),
        **pack_source(source),
        **describe_environment(),
    }


def describe_training(
    inputs: TrainerInputs,
    trained: TrainedModel,
    facts: TrainingFacts | None,
    checkpoint_dir: str,
) -> dict[str, Any]:
    """Says with which seed, replicas, batches and program a model was trained.

    Args:
        inputs: The inputs of the execution.
        trained: What came of it.
        facts: Facts of the training; None where a module has trained without an estimator.
        checkpoint_dir: The durable directory.

    Returns:
        Custom properties of the Model; None where something is not known.
    """
    if facts is not None:
        return {
            constants.SEED: facts.seed,
            constants.REPLICAS: facts.replicas,
            constants.PROCESSES: facts.processes,
            constants.TRAIN_BATCH_SIZE: facts.batch_size,
            # What the devices run, where there are any; else the graph that TensorFlow ran.
            constants.PROGRAM_HASH: facts.program or hash_program(facts.model_dir),
        }
    options = inputs.options if trained.program is None else trained.program.options
    described: dict[str, Any] = {
        constants.SEED: options.seed,
        constants.PROGRAM_HASH: hash_program(checkpoint_dir),
    }
    if trained.program is not None:
        described[constants.REPLICAS] = trained.replicas
        described[constants.TRAIN_BATCH_SIZE] = options.train_batch_size
    return described


def digest_inputs(inputs: TrainerInputs) -> dict[str, str | None]:
    """Returns digests of everything a training reads."""
    data = inputs.data
    return {
        constants.TRAIN_DATA_DIGEST: _digest_split(inputs.train),
        constants.EVAL_DATA_DIGEST: _digest_split(inputs.evaluation),
        constants.SCHEMA_DIGEST: compute_file_digest(data.schema_path)
        if data.schema_path
        else None,
        constants.TRANSFORM_GRAPH_DIGEST: _digest_folder(data.transform_graph_path),
        constants.BASE_MODEL_DIGEST: _digest_folder(data.base_model),
        constants.STATISTICS_DIGEST: _digest_folder(data.statistics_path),
        constants.HYPERPARAMETERS_DIGEST: _digest_values(data.hyperparameters),
    }


def describe_environment() -> dict[str, Any]:
    """Returns what a result depends on outside of the run; versions recorded elsewhere left out."""
    return {
        constants.SETTINGS: json.dumps(read_settings(), sort_keys=True),
        constants.CPUS: len(os.sched_getaffinity(0)),
        constants.PYTHON_VERSION: platform.python_version(),
        constants.JAX_VERSION: find_version("jaxlib"),
        constants.MACHINE: platform.machine(),
    }


def read_settings() -> dict[str, str]:
    """Returns the environment variables that change results."""
    found = {name: os.environ.get(name, _DEFAULTS.get(name)) for name in _SETTINGS}
    return {name: value for name, value in found.items() if value is not None}


def restore_settings(recorded: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment for a process in which `read_settings` gives `recorded`."""
    kept = {name: value for name, value in os.environ.items() if name not in _SETTINGS}
    return {**kept, **recorded}


def pack_source(source: ModuleSource) -> dict[str, str]:
    """Returns the source of a module as custom properties; {} where it is too long for them.

    It is in the Model artifact, too; this copy outlives the artifact's files.
    """
    text = json.dumps({"label": source.label, "main": source.main, "files": dict(source.files)})
    packed = base64.b64encode(zlib.compress(text.encode(), 9)).decode()
    if len(packed) > _PART * _MAX_PARTS:
        return {}
    starts = range(0, len(packed), _PART)
    return {_name_part(i): packed[start : start + _PART] for i, start in enumerate(starts)}


def unpack_source(get: Callable[[str], Any]) -> ModuleSource | None:
    """Reads what `pack_source` wrote; None if there is nothing.

    Args:
        get: Returns a custom property by name, or None.
    """
    packed = "".join(itertools.takewhile(bool, map(get, map(_name_part, itertools.count()))))
    if not packed:
        return None
    return ModuleSource(**json.loads(zlib.decompress(base64.b64decode(packed))))


def is_source(key: str) -> bool:
    """Returns whether `key` is one of the properties that `pack_source` writes."""
    return key.partition("/")[0] == constants.MODULE_SOURCE


def _name_part(index: int) -> str:
    return f"{constants.MODULE_SOURCE}/{index}" if index else constants.MODULE_SOURCE


def _digest_split(files: SplitFiles) -> str:
    # By their names, not their places: data that was moved is the same data.
    return combine_digests(
        {
            f"{number:05d}/{os.path.basename(path)}": compute_file_digest(path)
            for number, path in enumerate(list_split_files(files))
        }
    )


def _digest_folder(path: str | None) -> str | None:
    return compute_directory_digest(path) if path else None


def _digest_values(values: Any) -> str | None:
    return None if values is None else compute_text_digest({"": json.dumps(values, sort_keys=True)})
