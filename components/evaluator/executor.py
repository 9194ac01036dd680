"""Executor of the Evaluator."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2, validation_result_pb2
from tfx import types
from tfx.components.evaluator import executor as tfx_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types import standard_component_specs as specs
from tfx.utils import io_utils, json_utils, path_utils, proto_utils

from ..constants import BLESS_WITHOUT_THRESHOLDS_KEY, SAVED_MODEL_FILE
from ..data_errors import explain_data_errors
from ..digest import compute_model_digest
from ..examples import SplitFiles, check_tf_examples, resolve_splits, verify_files
from ..properties import set_metrics
from ..run_record import RunRecord, read_run_record
from ..saved_model import read_meta_graphs
from ..user_module import ModuleForm
from .eval_config_checks import check_eval_config, check_signatures
from .runtime_metrics import evaluate_splits, write_metrics
from .verdict import decide, write_blessing

_logger = logging.getLogger(__name__)

_DEFAULT_SPLITS = ("eval",)


class Executor(tfx_executor.Executor):
    """Computes metrics by the runtime and by TFMA, and always writes a blessing.

    It derives from the standard executor because the Kubeflow runner looks for that class when
    it translates the ids in a blessing.
    """

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Evaluates a model and says whether it is blessed.

        Args:
            input_dict: examples, model, and where given baseline_model, schema.
            output_dict: evaluation, blessing.
            exec_properties: eval_config, example_splits (JSON), module_file or module_path,
                bless_without_thresholds (0 or 1).

        Raises:
            ValueError: If something given cannot be used; the message names it.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        evaluation = artifact_utils.get_single_instance(output_dict[specs.EVALUATION_KEY])
        blessing = artifact_utils.get_single_instance(output_dict[specs.BLESSING_KEY])
        # 1. Checks.
        inputs = _resolve_inputs(input_dict, exec_properties)
        # 2. The program's own metrics.
        metrics = _compute_runtime_metrics(inputs, input_dict.get(specs.EXAMPLES_KEY, []))
        if metrics:
            _record_metrics(evaluation, metrics)
        # 3. Metrics by slice and thresholds.
        validation = None
        if inputs.config is not None:
            # Beam wraps what went wrong with its data in exceptions of any kind.
            with explain_data_errors(inputs.files, errors=(Exception,)):
                super().Do(input_dict, output_dict, exec_properties)
            has_baseline = inputs.baseline is not None
            validation = _load_validation(evaluation.uri, inputs.config, has_baseline)
        # 4. The verdict.
        verdict = decide(
            metrics,
            validation,
            bless_without_thresholds=bool(exec_properties.get(BLESS_WITHOUT_THRESHOLDS_KEY)),
        )
        write_blessing(blessing, verdict, inputs.model, inputs.baseline, inputs.digest)
        _logger.info("%s: %s", "Blessed" if verdict.blessed else "NOT blessed", verdict.reason)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Inputs:
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


def _resolve_inputs(
    input_dict: Mapping[str, list[types.Artifact]], exec_properties: Mapping[str, Any]
) -> _Inputs:
    """Reads artifacts and properties and makes every check that needs no evaluation."""
    model = _read_single(input_dict, specs.MODEL_KEY)
    if model is None:
        raise ValueError("`model` is missing: the Evaluator needs exactly one Model.")
    serving_path = _find_serving_path(model)
    config = _read_eval_config(exec_properties)
    record = _read_functions_record(model.uri)
    _check_something_to_do(config, record, model.uri)
    splits = _read_splits(exec_properties)
    files = resolve_splits(input_dict.get(specs.EXAMPLES_KEY, []), splits, "example_splits")
    if config is not None:
        check_signatures(config, read_meta_graphs(serving_path), serving_path)
        check_tf_examples(files, "metrics by slice are computed from tf.Examples")
    verify_files(files)
    return _Inputs(
        model=model,
        baseline=_read_single(input_dict, specs.BASELINE_MODEL_KEY),
        serving_path=serving_path,
        digest=compute_model_digest(serving_path),
        config=config,
        record=record,
        splits=splits,
        files=files,
        schema_path=_find_schema(input_dict),
    )


def _compute_runtime_metrics(
    inputs: _Inputs, examples: Sequence[types.Artifact]
) -> dict[str, dict[str, Any]]:
    if inputs.record is None:
        return {}
    return evaluate_splits(
        inputs.record, inputs.serving_path, examples, inputs.splits, inputs.schema_path
    )


def _read_single(input_dict: Mapping[str, list[types.Artifact]], key: str) -> types.Artifact | None:
    artifacts = input_dict.get(key) or []
    if len(artifacts) > 1:
        raise ValueError(f"`{key}` must be one Model at most, got {len(artifacts)}.")
    return artifacts[0] if artifacts else None


def _find_serving_path(model: types.Artifact) -> str:
    path = path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))
    if not fileio.exists(os.path.join(path, SAVED_MODEL_FILE)):
        raise ValueError(f"`model` at {model.uri} has no {SAVED_MODEL_FILE} in {path}.")
    return path


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


def _read_functions_record(model_uri: str) -> RunRecord | None:
    record = read_run_record(model_uri)
    return record if record is not None and record.form is ModuleForm.FUNCTIONS else None


def _check_something_to_do(
    config: config_pb2.EvalConfig | None, record: RunRecord | None, model_uri: str
) -> None:
    if config is None and record is None:
        raise ValueError(
            f"`eval_config` is missing, and the model at {model_uri} has no record of a module of "
            "plain functions whose metrics could be computed instead. Give `eval_config`, or "
            "train with this package's Trainer and a `model_fn`."
        )


def _record_metrics(evaluation: types.Artifact, metrics: Mapping[str, Mapping[str, Any]]) -> None:
    write_metrics(evaluation.uri, metrics)
    for split, values in metrics.items():
        set_metrics(evaluation, values, prefix="" if len(metrics) == 1 else f"{split}/")


def _load_validation(
    uri: str, config: config_pb2.EvalConfig, has_baseline: bool
) -> validation_result_pb2.ValidationResult | None:
    """Reads TFMA's result of the thresholds; None where none are configured."""
    # Without a baseline TFMA leaves change thresholds out, so that a first model can pass.
    rubber_stamp = not has_baseline and tfma.utils.has_change_threshold(config)
    applied = tfma.utils.update_eval_config_with_defaults(
        config, has_baseline=has_baseline, rubber_stamp=True
    )
    if tfma.metrics.metric_thresholds_from_metrics_specs(
        applied.metrics_specs, eval_config=applied
    ):
        validation = tfma.load_validation_result(uri)
        validation.rubber_stamp = rubber_stamp
        return validation
    if rubber_stamp:
        return validation_result_pb2.ValidationResult(validation_ok=True, rubber_stamp=True)
    return None
