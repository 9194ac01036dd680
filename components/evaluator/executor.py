"""Executor of the Evaluator."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import validation_result_pb2
from tfx import types
from tfx.components.evaluator import executor as tfx_executor
from tfx.types import artifact_utils
from tfx.types import standard_component_specs as specs

from ..constants import BLESS_WITHOUT_THRESHOLDS_KEY, METRICS_ENGINE
from ..data_errors import explain_data_errors
from ..properties import set_custom_property, set_metrics
from .choice import find_need_for_tfma
from .engine.pairs import NotANumberError
from .inputs import Inputs, resolve_inputs
from .notes import find_notes
from .options import RUNTIME, TFMA
from .report.writing import write_evaluation_page
from .runtime_metrics import evaluate_splits, write_metrics
from .skew import find_skew
from .sliced import SlicedEvaluation
from .verdict import decide, override, write_blessing
from .workers import run_by_workers

_logger = logging.getLogger(__name__)


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
                bless_without_thresholds (0 or 1), tpu_estimator_options (JSON).

        Raises:
            ValueError: If something given cannot be used; the message names it.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        evaluation = artifact_utils.get_single_instance(output_dict[specs.EVALUATION_KEY])
        blessing = artifact_utils.get_single_instance(output_dict[specs.BLESSING_KEY])
        # 1. Checks.
        inputs = resolve_inputs(input_dict, exec_properties)
        # 2. The program's own metrics.
        metrics = _compute_runtime_metrics(inputs, input_dict.get(specs.EXAMPLES_KEY, []))
        if metrics:
            _record_metrics(evaluation, metrics)
        # 3. Metrics by slice and thresholds.
        refusals: list[str] = []
        notes: list[str] = []
        validation = sliced = result = engine = None
        if inputs.config is not None:
            sliced = inputs.prepare(inputs.config)
            engine = _choose_engine(inputs, sliced)
            set_custom_property(evaluation, METRICS_ENGINE, engine)
            # Beam wraps what went wrong with its data in exceptions of any kind.
            with explain_data_errors(inputs.files, errors=(Exception,)):
                try:
                    if engine == TFMA:
                        super().Do(input_dict, output_dict, exec_properties)
                    else:
                        result = run_by_workers(
                            sliced,
                            evaluation.uri,
                            inputs.options.workers,
                            [str(argument) for argument in self._beam_pipeline_args],
                            self._make_beam_pipeline,
                        )
                    validation = _load_validation(evaluation.uri, sliced)
                    notes = find_notes(
                        sliced, evaluation.uri, result, uses_outputs=inputs.uses_outputs
                    )
                except NotANumberError as error:
                    refusals.append(f"metrics by slice cannot be computed: {error}")
        for note in notes:
            _logger.warning("%s", note)
        # 4. The same model on a TPU.
        if inputs.options.skew_check:
            refusals += find_skew(inputs.serving_path, inputs.files, inputs.options, evaluation.uri)
        # 5. The verdict.
        without = bool(exec_properties.get(BLESS_WITHOUT_THRESHOLDS_KEY))
        decided = decide(metrics, validation, bless_without_thresholds=without)
        verdict = override(decided, refusals, inputs.options.force_blessing)
        write_blessing(blessing, verdict, inputs.model, inputs.baseline, inputs.digest)
        # As the standard executor does, for runners that say who runs.
        set_custom_property(blessing, "component_id", exec_properties.get("current_component_id"))
        _logger.info("%s: %s", "Blessed" if verdict.blessed else "NOT blessed", verdict.reason)
        # 6. The page.
        if inputs.options.html_page:
            write_evaluation_page(
                evaluation.uri,
                title=_name_model(inputs.model),
                verdict=verdict,
                validation=validation,
                sliced=sliced,
                evaluation=result,
                engine=engine,
                model_fn_metrics=metrics,
                notes=notes,
            )


def _choose_engine(inputs: Inputs, sliced: SlicedEvaluation) -> str:
    if inputs.options.engine == TFMA:
        return TFMA
    need = find_need_for_tfma(
        sliced.resolved_config, sliced.models, dict.fromkeys(inputs.hooks, True)
    )
    if need is None:
        return RUNTIME
    _logger.warning(
        "TensorFlow Model Analysis computes the metrics by slice, which takes longer, because %s.",
        need,
    )
    return TFMA


def _compute_runtime_metrics(
    inputs: Inputs, examples: Sequence[types.Artifact]
) -> dict[str, dict[str, Any]]:
    if inputs.record is None:
        return {}
    return evaluate_splits(
        inputs.record, inputs.serving_path, examples, inputs.splits, inputs.schema_path
    )


def _record_metrics(evaluation: types.Artifact, metrics: Mapping[str, Mapping[str, Any]]) -> None:
    write_metrics(evaluation.uri, metrics)
    for split, values in metrics.items():
        set_metrics(evaluation, values, prefix="" if len(metrics) == 1 else f"{split}/")


def _load_validation(
    uri: str, sliced: SlicedEvaluation
) -> validation_result_pb2.ValidationResult | None:
    """Reads the result of the thresholds; None where none are configured."""
    config = sliced.resolved_config
    # Without a baseline change thresholds are left out, so that a first model can pass.
    if tfma.metrics.metric_thresholds_from_metrics_specs(config.metrics_specs, eval_config=config):
        validation = tfma.load_validation_result(uri)
        validation.rubber_stamp = sliced.is_rubber_stamp
        return validation
    if sliced.is_rubber_stamp:
        return validation_result_pb2.ValidationResult(validation_ok=True, rubber_stamp=True)
    return None


def _name_model(model: types.Artifact) -> str:
    """Returns a short name for people: where the model came from and its number."""
    parts = [part for part in model.uri.split("/") if part]
    return " / ".join(parts[-3:])
