"""From TPUEstimatorOptions to a TPUEstimator, without TFX: for components and the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tfx_tpu_estimator.config.processes import resolve_place
from tfx_tpu_estimator.config.run_config import RunConfig
from tfx_tpu_estimator.config.tpu_config import InputPipelineConfig, TPUConfig
from tfx_tpu_estimator.tpu_estimator import TPUEstimator

from .options import TPUEstimatorOptions, option_names

_RUN_CONFIG_OPTIONS = (
    "save_checkpoints_steps",
    "save_checkpoints_secs",
    "save_summary_steps",
    "log_step_count_steps",
    "keep_checkpoint_max",
)


def split_estimator_params(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parts what a module's `estimator_params()` returned.

    Args:
        values: Names of options, and hyperparameters, some of these perhaps below `params`.

    Returns:
        The options, and the hyperparameters.
    """
    names = {name for name in option_names() if name != "params"}
    chosen = {name: value for name, value in values.items() if name in names}
    rest = {name: value for name, value in values.items() if name not in names}
    nested = rest.pop("params", {})
    return chosen, {**rest, **nested}


def create_estimator_from_options(
    model_fn: Callable[..., Any],
    options: TPUEstimatorOptions,
    params: Mapping[str, Any],
    model_dir: str,
    **further: Any,
) -> TPUEstimator:
    """Builds the TPUEstimator that options describe.

    Args:
        model_fn: The model_fn.
        options: Batch sizes, devices, when to save, the seed.
        params: The model_fn's `params`, but for the batch size.
        model_dir: Directory of checkpoints and events.
        **further: Arguments of TPUEstimator that are no options.

    Raises:
        ValueError: If model_fn or an option cannot be used.
    """
    evaluation = options.eval_batch_size or options.train_batch_size
    return TPUEstimator(
        model_fn=model_fn,
        config=_create_run_config(options, model_dir),
        params=dict(params),
        use_tpu=options.use_tpu,
        train_batch_size=options.train_batch_size,
        eval_batch_size=evaluation,
        predict_batch_size=options.predict_batch_size or evaluation,
        export_to_tpu=options.export_to_tpu,
        **further,
    )


def _create_run_config(options: TPUEstimatorOptions, model_dir: str) -> RunConfig:
    # Without devices one replica is all that there is, whatever their number shall be.
    tpu_names = ("iterations_per_loop", *(("num_shards",) if options.use_tpu else ()))
    tpu: dict[str, Any] = _read_given(options, tpu_names)
    if options.use_tpu and resolve_place(RunConfig()) is not None:
        # Of several processes the first reads all examples of an evaluation, each of them once.
        tpu["eval_training_input_configuration"] = InputPipelineConfig.SLICED
    return RunConfig(
        model_dir=model_dir,
        tf_random_seed=options.seed,
        tpu_config=TPUConfig(**tpu),
        **_read_given(options, _RUN_CONFIG_OPTIONS),
    )


def _read_given(options: TPUEstimatorOptions, names: tuple[str, ...]) -> dict[str, Any]:
    values = {name: getattr(options, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}
