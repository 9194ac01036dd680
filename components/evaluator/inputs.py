"""What an execution of the Evaluator works with, read and checked before anything is computed."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

from tensorflow_model_analysis.proto import config_pb2
from tfx import types
from tfx.components.util import udf_utils
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types import standard_component_specs as specs
from tfx.utils import io_utils, json_utils, path_utils, proto_utils

from tfx_tpu_estimator.inputs.schema import read_schema

from ..constants import OPTIONS_KEY, SAVED_MODEL_FILE
from ..digest import compute_model_digest
from ..examples import (
    SplitFiles,
    check_tf_examples,
    list_split_files,
    resolve_compression,
    resolve_splits,
    verify_files,
)
from ..run_record import RunRecord, read_run_record
from ..saved_model import read_meta_graphs
from ..transformed_examples import TransformSource
from ..user_module import ModuleForm
from .eval_config_checks import check_eval_config, check_signatures
from .options import EvaluatorOptions
from .sliced import SlicedEvaluation

_logger = logging.getLogger(__name__)

_DEFAULT_SPLITS = ("eval",)
# What a module file for the Evaluator may define; the latter two may predict in their own way.
_PREDICTING_HOOKS = ("custom_extractors", "custom_eval_shared_model")
_HOOKS = ("add_features", *_PREDICTING_HOOKS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inputs:
    """What one execution works with.

    Attributes:
        model: The model to evaluate.
        baseline: The model to compare with.
        serving_path: SavedModel directory of the model.
        digest: Its digest, taken before anything is evaluated.
        config: Configuration of TFMA; None where it is not to run.
        record: Record of the training run; None where the runtime cannot evaluate the model.
        splits: Splits to evaluate.
        files: Their files.
        schema_path: Schema of the examples.
        options: What the Evaluator does beyond the standard one.
        hooks: Functions of the Evaluator's module file, by name.
        transform: The transform graph that the model was trained with; None without one.
    """

    model: types.Artifact
    baseline: types.Artifact | None
    serving_path: str
    digest: str
    config: config_pb2.EvalConfig | None
    record: RunRecord | None
    splits: Sequence[str]
    files: SplitFiles
    schema_path: str | None
    options: EvaluatorOptions
    hooks: Mapping[str, Any]
    transform: TransformSource | None

    @property
    def uses_outputs(self) -> bool:
        """Whether predictions are the outputs of a signature as they are."""
        return _uses_outputs(self.hooks)

    def prepare(self, config: config_pb2.EvalConfig) -> SlicedEvaluation:
        """Returns what is evaluated for metrics by slice."""
        baseline = None
        if self.baseline is not None:
            baseline = find_serving_path(self.baseline, "baseline_model")
        schema = None if self.schema_path is None else read_schema(self.schema_path)
        return SlicedEvaluation(
            config=config,
            model=self.serving_path,
            baseline=baseline,
            files=list_split_files(self.files),
            compression=resolve_compression(self.files),
            data_location=", ".join(self.files.patterns),
            batch_size=self.options.batch_size,
            schema=schema,
            add_features=self.hooks.get("add_features"),
            transform=self.transform,
        )


def resolve_inputs(
    input_dict: Mapping[str, list[types.Artifact]], exec_properties: Mapping[str, Any]
) -> Inputs:
    """Reads artifacts and properties and makes every check that needs no evaluation.

    Raises:
        ValueError: If something is missing or cannot work; the message names it.
        EmptySplitError: If a split has no records.
        DataCorruptionError: If a file of examples cannot be read.
    """
    model = _read_single(input_dict, specs.MODEL_KEY)
    if model is None:
        raise ValueError("`model` is missing: the Evaluator needs exactly one Model.")
    serving_path = find_serving_path(model)
    config = _read_eval_config(exec_properties)
    options = EvaluatorOptions.from_json(exec_properties.get(OPTIONS_KEY))
    record = read_run_record(model.uri)
    transform = find_transform(record)
    if not options.model_fn_metrics or record is None or record.form is not ModuleForm.FUNCTIONS:
        record = None
    _check_something_to_do(config, record, model.uri)
    splits = _read_splits(exec_properties)
    files = resolve_splits(input_dict.get(specs.EXAMPLES_KEY, []), splits, "example_splits")
    hooks = _load_hooks(exec_properties)
    baseline = _read_single(input_dict, specs.BASELINE_MODEL_KEY)
    if config is not None:
        _check_models(config, serving_path, baseline, with_outputs=_uses_outputs(hooks))
        check_tf_examples(files, "metrics by slice are computed from tf.Examples")
        if transform is not None:
            check_raw(files, transform)
    verify_files(files)
    return Inputs(
        model=model,
        baseline=baseline,
        serving_path=serving_path,
        digest=compute_model_digest(serving_path),
        config=config,
        record=record,
        splits=splits,
        files=files,
        schema_path=_find_schema(input_dict),
        options=options,
        hooks=hooks,
        transform=transform,
    )


def _read_single(input_dict: Mapping[str, list[types.Artifact]], key: str) -> types.Artifact | None:
    artifacts = input_dict.get(key) or []
    if len(artifacts) > 1:
        raise ValueError(f"`{key}` must be one Model at most, got {len(artifacts)}.")
    return artifacts[0] if artifacts else None


def find_serving_path(model: types.Artifact, argument: str = "model") -> str:
    """Returns the SavedModel directory of a Model artifact.

    Args:
        model: The artifact.
        argument: Name of the input, for the error message.

    Raises:
        ValueError: If there is no SavedModel.
    """
    path = path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))
    if not fileio.exists(os.path.join(path, SAVED_MODEL_FILE)):
        raise ValueError(f"`{argument}` at {model.uri} has no {SAVED_MODEL_FILE} in {path}.")
    return path


def _uses_outputs(hooks: Mapping[str, Any]) -> bool:
    return not set(hooks) & set(_PREDICTING_HOOKS)


def _check_models(
    config: config_pb2.EvalConfig,
    path: str,
    baseline: types.Artifact | None,
    *,
    with_outputs: bool,
) -> None:
    check_signatures(config, read_meta_graphs(path), path, with_outputs=with_outputs)
    if baseline is not None:
        path = find_serving_path(baseline, "baseline_model")
        check_signatures(
            config, read_meta_graphs(path), path, is_baseline=True, with_outputs=with_outputs
        )


def _find_schema(input_dict: Mapping[str, list[types.Artifact]]) -> str | None:
    artifacts = input_dict.get(specs.SCHEMA_KEY)
    if not artifacts:
        return None
    return io_utils.get_only_uri_in_dir(artifact_utils.get_single_uri(artifacts))


def _read_eval_config(exec_properties: Mapping[str, Any]) -> config_pb2.EvalConfig | None:
    text = exec_properties.get(specs.EVAL_CONFIG_KEY)
    if not text:
        return None
    config = proto_utils.json_to_proto(text, config_pb2.EvalConfig())
    check_eval_config(config)
    return config


def _read_splits(exec_properties: Mapping[str, Any]) -> list[str]:
    splits = json_utils.loads(exec_properties.get(specs.EXAMPLE_SPLITS_KEY) or "null")
    return list(splits or _DEFAULT_SPLITS)


def find_transform(record: RunRecord | None) -> TransformSource | None:
    """Returns the transform graph that a run was given, if it is still there."""
    path = None if record is None else record.data.transform_graph_path
    if record is None or path is None:
        return None
    if not fileio.exists(path):
        _logger.warning(
            "The transform graph at %s, which the model was trained with, is not there any more: "
            "labels and slices can be features of raw examples only.",
            path,
        )
        return None
    return TransformSource(path, record.data.schema_path)


def check_raw(files: SplitFiles, transform: TransformSource) -> None:
    """Refuses transformed examples, which a {serve} graph that transforms cannot parse.

    Raises:
        ValueError: If the first record is what the graph makes.
    """
    # TensorFlow Transform is loaded by those who have a graph of it.
    from ..graph_transformer import are_transformed

    if are_transformed(transform, files):
        raise ValueError(
            "`examples` are transformed, and metrics by slice are computed on the {serve} graph, "
            "which transforms raw ones. Give `examples=example_gen.outputs['examples']`; labels "
            "and slices may be features that the transform graph makes."
        )


def _check_something_to_do(
    config: config_pb2.EvalConfig | None, record: RunRecord | None, model_uri: str
) -> None:
    if config is None and record is None:
        raise ValueError(
            f"`eval_config` is missing, and the model at {model_uri} has no record of a module of "
            "plain functions whose metrics could be computed instead. Give `eval_config`, or "
            "train with this package's Trainer and a `model_fn`."
        )


def _load_hooks(exec_properties: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the functions that the module file has, if there is one."""
    found = {name: udf_utils.try_get_fn(dict(exec_properties), name) for name in _HOOKS}
    return {name: function for name, function in found.items() if function is not None}
