"""Resolves and checks everything a training execution is given, before any work."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from tfx import types
from tfx.dsl.io import fileio
from tfx.proto import trainer_pb2
from tfx.types import artifact_utils
from tfx.types import standard_component_specs as specs
from tfx.utils import io_utils, json_utils, path_utils, proto_utils

from ..constants import CODE_DIGEST_KEY, OPTIONS_KEY, VERTEX_JOB_KEYS
from ..examples import SplitFiles, list_split_files, resolve_splits
from ..options import TPUEstimatorOptions
from ..runtime import DataParams
from ..user_module import UserModule, load_module_file, load_module_path, load_run_fn


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainerInputs:
    """What one execution of the Trainer works with.

    Attributes:
        train: Files of the training splits.
        evaluation: Files of the evaluation splits.
        data: The same and the other paths, as entries of `params`.
        options: The component's options.
        custom_config: The component's custom configuration.
    """

    train: SplitFiles
    evaluation: SplitFiles
    data: DataParams
    options: TPUEstimatorOptions
    custom_config: Mapping[str, Any]


def resolve_inputs(
    input_dict: Mapping[str, Sequence[types.Artifact]], exec_properties: Mapping[str, Any]
) -> TrainerInputs:
    """Reads artifacts and exec properties.

    Raises:
        ValueError: If a split is unknown, or a property or an artifact cannot be used.
        EmptySplitError: If a split has no records.
        DataCorruptionError: If the first record of a split cannot be read.
    """
    custom_config = _read_custom_config(exec_properties)
    options = TPUEstimatorOptions.from_json(exec_properties.get(OPTIONS_KEY) or "{}")
    train_args = _read_args(exec_properties, specs.TRAIN_ARGS_KEY, trainer_pb2.TrainArgs())
    eval_args = _read_args(exec_properties, specs.EVAL_ARGS_KEY, trainer_pb2.EvalArgs())
    examples = input_dict.get(specs.EXAMPLES_KEY) or []
    train = resolve_splits(examples, train_args.splits or ["train"], "train_args.splits")
    evaluation = resolve_splits(examples, eval_args.splits or ["eval"], "eval_args.splits")
    data = DataParams(
        train_files=train.patterns,
        eval_files=evaluation.patterns,
        schema_path=_find_schema(input_dict),
        data_format=train.data_format,
        payload_format=train.payload_format,
        transform_graph_path=_find_uri(input_dict, specs.TRANSFORM_GRAPH_KEY),
        statistics_path=_find_uri(input_dict, specs.STATISTICS_KEY),
        train_steps=train_args.num_steps or None,
        eval_steps=eval_args.num_steps or None,
        base_model=_find_base_model(input_dict),
        hyperparameters=_read_hyperparameters(input_dict),
    )
    return TrainerInputs(
        train=train,
        evaluation=evaluation,
        data=data,
        options=options,
        custom_config=custom_config,
    )


def load_user_module(exec_properties: Mapping[str, Any]) -> UserModule:
    """Loads the module that the exec properties name.

    Raises:
        ValueError: If not exactly one of module_file, module_path and run_fn is there.
        UserModuleError: If the module cannot be used.
    """
    loaders = {
        specs.MODULE_FILE_KEY: load_module_file,
        specs.MODULE_PATH_KEY: load_module_path,
        specs.RUN_FN_KEY: load_run_fn,
    }
    given = [key for key in loaders if exec_properties.get(key)]
    if len(given) != 1:
        raise ValueError(
            f"exactly one of `module_file`, `module_path` and `run_fn` must be given; got {given}."
        )
    return loaders[given[0]](exec_properties[given[0]])


def compute_run_key(
    inputs: TrainerInputs,
    input_dict: Mapping[str, Sequence[types.Artifact]],
    exec_properties: Mapping[str, Any],
    module: UserModule,
) -> str:
    """Returns a key that is equal for a retry and different for any other run.

    It covers the input artifacts, names, sizes and times of the example files, the arguments,
    the module and this package's code.
    """
    artifacts = {
        key: [(artifact.id, artifact.uri) for artifact in artifacts]
        for key, artifacts in input_dict.items()
    }
    files = [*list_split_files(inputs.train), *list_split_files(inputs.evaluation)]
    stats = [(file, tf.io.gfile.stat(file)) for file in files]
    arguments = {
        key: exec_properties.get(key)
        for key in (specs.TRAIN_ARGS_KEY, specs.EVAL_ARGS_KEY, specs.CUSTOM_CONFIG_KEY)
    }
    content = [
        artifacts,
        [(file, stat.length, stat.mtime_nsec) for file, stat in stats],
        arguments,
        inputs.options.to_json(),
        module.source.digest,
        exec_properties.get(CODE_DIGEST_KEY),
    ]
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _read_args(exec_properties: Mapping[str, Any], key: str, proto: Any) -> Any:
    text = exec_properties.get(key)
    args = proto_utils.json_to_proto(text, proto) if text else proto
    if args.num_steps < 0:
        raise ValueError(f"`{key}.num_steps` must be >= 0 (0: one pass), got {args.num_steps}.")
    return args


def _read_custom_config(exec_properties: Mapping[str, Any]) -> dict[str, Any]:
    config = json_utils.loads(exec_properties.get(specs.CUSTOM_CONFIG_KEY) or "null")
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise ValueError(f"`custom_config` must be a dict, got {config!r}.")
    # Where a job runs is nothing to the module, nor to the record of the run.
    return {key: value for key, value in config.items() if key not in VERTEX_JOB_KEYS}


def _find_uri(input_dict: Mapping[str, Sequence[types.Artifact]], key: str) -> str | None:
    artifacts = input_dict.get(key)
    return artifact_utils.get_single_uri(list(artifacts)) if artifacts else None


def _find_schema(input_dict: Mapping[str, Sequence[types.Artifact]]) -> str | None:
    uri = _find_uri(input_dict, specs.SCHEMA_KEY)
    if uri is None:
        return None
    if not fileio.isdir(uri) or len(fileio.listdir(uri)) != 1:
        raise ValueError(f"`schema` must hold one schema file; see what is in {uri}.")
    return io_utils.get_only_uri_in_dir(uri)


def _find_base_model(input_dict: Mapping[str, Sequence[types.Artifact]]) -> str | None:
    artifacts = input_dict.get(specs.BASE_MODEL_KEY)
    if not artifacts:
        return None
    model = artifact_utils.get_single_instance(list(artifacts))
    return path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))


def _read_hyperparameters(
    input_dict: Mapping[str, Sequence[types.Artifact]],
) -> dict[str, Any] | None:
    uri = _find_uri(input_dict, specs.HYPERPARAMETERS_KEY)
    if uri is None:
        return None
    with fileio.open(io_utils.get_only_uri_in_dir(uri), "r") as file:
        return json.loads(file.read())
