"""Evaluator: metrics of a TPUEstimator model, and whether it is blessed."""

from __future__ import annotations

from typing import Any

from tensorflow_model_analysis.proto import config_pb2
from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.dsl.io import fileio
from tfx.types import standard_artifacts, system_executions
from tfx.types import standard_component_specs as specs
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import json_utils

from ..constants import (
    BLESS_WITHOUT_THRESHOLDS_KEY,
    CODE_DIGEST_KEY,
    MODULE_DIGEST_KEY,
    OPTIONS_KEY,
)
from ..digest import code_digest
from ..module_source import compute_module_digest
from ..option_checks import check_type
from .eval_config_checks import check_eval_config
from .executor import Executor
from .options import EvaluatorOptions


class EvaluatorSpec(ComponentSpec):
    """The standard Evaluator's inputs, outputs and parameters, and ours."""

    PARAMETERS = {
        specs.EVAL_CONFIG_KEY: ExecutionParameter(type=config_pb2.EvalConfig, optional=True),
        specs.EXAMPLE_SPLITS_KEY: ExecutionParameter(type=str, optional=True),
        specs.MODULE_FILE_KEY: ExecutionParameter(type=str, optional=True),
        specs.MODULE_PATH_KEY: ExecutionParameter(type=str, optional=True),
        BLESS_WITHOUT_THRESHOLDS_KEY: ExecutionParameter(type=int),
        CODE_DIGEST_KEY: ExecutionParameter(type=str),
        MODULE_DIGEST_KEY: ExecutionParameter(type=str, optional=True),
        OPTIONS_KEY: ExecutionParameter(type=str, optional=True),
    }
    INPUTS = {
        specs.EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples),
        specs.MODEL_KEY: ChannelParameter(type=standard_artifacts.Model),
        specs.BASELINE_MODEL_KEY: ChannelParameter(type=standard_artifacts.Model, optional=True),
        specs.SCHEMA_KEY: ChannelParameter(type=standard_artifacts.Schema, optional=True),
    }
    OUTPUTS = {
        specs.EVALUATION_KEY: ChannelParameter(type=standard_artifacts.ModelEvaluation),
        specs.BLESSING_KEY: ChannelParameter(type=standard_artifacts.ModelBlessing),
    }
    TYPE_ANNOTATION = system_executions.Evaluate


class Evaluator(base_beam_component.BaseBeamComponent):
    """Evaluates a model and always says whether it is blessed, and why.

    A drop-in for the standard Evaluator. The metrics of the model_fn are computed by the runtime
    that trained it; with an `eval_config`, metrics by slice are computed on the {serve} metagraph
    in one pass (or by TensorFlow Model Analysis, see `EvaluatorOptions.engine`) and their
    thresholds are checked.

    Outputs:
        evaluation: ModelEvaluation with `runtime_metrics.json`, results in TFMA's format,
            `evaluation.html`, and the metrics as custom properties `metric/<name>`
            (`metric/<split>/<name>` for several splits).
        blessing: ModelBlessing with `blessed` (1 or 0), `reason`, the ids of the models, and a
            file BLESSED or NOT_BLESSED.

    Example:
        Evaluator(
            examples=example_gen.outputs["examples"],
            model=trainer.outputs["model"],
            baseline_model=resolver.outputs["model"],
            eval_config=eval_config,
        )
    """

    SPEC_CLASS = EvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel | None = None,
        baseline_model: types.BaseChannel | None = None,
        feature_slicing_spec: Any = None,
        fairness_indicator_thresholds: Any = None,
        example_splits: list[str] | None = None,
        eval_config: config_pb2.EvalConfig | None = None,
        schema: types.BaseChannel | None = None,
        module_file: str | None = None,
        module_path: str | None = None,
        bless_without_thresholds: bool = False,
        options: EvaluatorOptions | None = None,
    ):
        """Declares an evaluation.

        Args:
            examples: The Examples to evaluate on.
            model: The Model to evaluate. Required.
            baseline_model: A Model to compare with, usually the latest blessed one.
            feature_slicing_spec: Refused; use `eval_config.slicing_specs`.
            fairness_indicator_thresholds: Refused; use the metric FairnessIndicators.
            example_splits: Splits to evaluate; default ["eval"].
            eval_config: Metrics by slice and thresholds.
            schema: Schema of the examples.
            module_file: Module with `add_features`, or TFX's `custom_eval_shared_model` or
                `custom_extractors`, for which TensorFlow Model Analysis computes the metrics.
            module_path: The same as a dotted name. Not together with `module_file`.
            bless_without_thresholds: Whether a model for which no thresholds are configured is
                blessed. Default False.
            options: The engine, its batches, further checks; default `EvaluatorOptions()`.

        Raises:
            ValueError: If an argument is missing or cannot work.
            TypeError: If `bless_without_thresholds` is no bool or `options` no EvaluatorOptions.
        """
        _check_refused(model, feature_slicing_spec, fairness_indicator_thresholds)
        if not isinstance(bless_without_thresholds, bool):
            raise TypeError(
                f"`bless_without_thresholds` must be bool, got {bless_without_thresholds!r}."
            )
        _check_module(module_file, module_path)
        if options is not None:
            check_type("options", options, EvaluatorOptions)
        if isinstance(eval_config, config_pb2.EvalConfig):
            # A pipeline may be put together where the modules of its steps are not.
            check_eval_config(eval_config, with_modules=False)
        super().__init__(
            spec=EvaluatorSpec(
                examples=examples,
                model=model,
                baseline_model=baseline_model,
                example_splits=json_utils.dumps(example_splits),
                eval_config=eval_config,
                schema=schema,
                module_file=module_file,
                module_path=module_path,
                bless_without_thresholds=int(bless_without_thresholds),
                code_digest=code_digest(),
                module_digest=compute_module_digest(module_file, module_path),
                tpu_estimator_options=(options or EvaluatorOptions()).to_json(),
                evaluation=types.Channel(type=standard_artifacts.ModelEvaluation),
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
            )
        )


def _check_refused(model: Any, feature_slicing_spec: Any, fairness_thresholds: Any) -> None:
    """Refuses what the standard component takes and no current model can make use of."""
    if model is None:
        raise ValueError(
            "`model` is required: predictions that are part of the examples are not evaluated by "
            "this component."
        )
    if feature_slicing_spec is not None:
        raise ValueError(
            "`feature_slicing_spec` works only with EvalSavedModels, which no current TensorFlow "
            "Model Analysis reads; use `eval_config` with `slicing_specs`."
        )
    if fairness_thresholds is not None:
        raise ValueError(
            "`fairness_indicator_thresholds` has no effect on serving models; add the metric "
            "`ConfusionMatrixAtThresholds` with its thresholds to `eval_config.metrics_specs`."
        )


def _check_module(module_file: Any, module_path: Any) -> None:
    if module_file and module_path:
        raise ValueError("`module_file` and `module_path` are both given; give one.")
    local = isinstance(module_file, str) and "://" not in module_file
    if local and not fileio.exists(module_file):
        raise ValueError(f"`module_file` {module_file!r} does not exist.")
