"""train_and_evaluate: training with evaluations on the way, here or in a cluster."""

from __future__ import annotations

import dataclasses
import logging
import os
from typing import Any

from tfx_tpu_estimator.checkpoints.layout import read_global_step
from tfx_tpu_estimator.config.cluster import TaskType
from tfx_tpu_estimator.config.processes import resolve_place
from tfx_tpu_estimator.errors import FeatureNotAvailableError
from tfx_tpu_estimator.estimator import Estimator
from tfx_tpu_estimator.training.checkpoint_evaluation import CheckpointEvaluator, Evaluation
from tfx_tpu_estimator.training.continuous_evaluation import ContinuousEvaluation, read_timeout
from tfx_tpu_estimator.training.evaluation_listener import EvaluationListener
from tfx_tpu_estimator.training.run_end import (
    RunEnd,
    read_run_end,
    remove_run_end,
    write_run_end,
)
from tfx_tpu_estimator.training.train_eval_specs import EvalSpec, TrainSpec

_logger = logging.getLogger(__name__)

Result = tuple[dict[str, Any] | None, list[Any]]


def train_and_evaluate(estimator: Any, train_spec: TrainSpec, eval_spec: EvalSpec) -> Result:
    """Trains an estimator and evaluates its checkpoints.

    In a single process, every checkpoint but that of step 0 is evaluated when it is saved, unless
    `throttle_secs` is not over, and the last in any case; exporters are called after each. Training
    that is complete is evaluated once; exporters are called only if they were not for that step.

    In a cluster (TF_CONFIG), this does what the task of the process is: `chief` and `worker` train,
    `evaluator` evaluates what the chief saves until training has ended, and `master` is a chief
    that evaluates, too.

    Args:
      estimator: An `Estimator` or `TPUEstimator`.
      train_spec: The training.
      eval_spec: The evaluations, and what to export.

    Returns:
      The metrics of the last evaluation of this process, or None; and what each exporter returned
      after it.

    Raises:
      TypeError: An argument is of the wrong type.
      ValueError: There is more than one evaluator, or nothing saves checkpoints.
      RuntimeError: A checkpoint was saved outside of the model directory.
      TimeoutError: The evaluator has waited too long for a checkpoint.
      FeatureNotAvailableError: The task is a parameter server; or several processes train without
        a process that evaluates.

    Example:
      metrics, exports = train_and_evaluate(
          estimator,
          TrainSpec(train_input_fn, max_steps=1000),
          EvalSpec(eval_input_fn, steps=None, exporters=LatestExporter("latest", receiver_fn)),
      )
    """
    _validate_types(estimator, train_spec, eval_spec)
    config = estimator.config
    if config.task_type == TaskType.EVALUATOR:
        return _evaluate_continuously(estimator, train_spec, eval_spec)
    if config.task_type == TaskType.PS:
        raise FeatureNotAvailableError(
            "Parameter servers are not available; got the task 'ps' in TF_CONFIG. Describe one "
            "chief and workers, which train synchronously with TPUEstimator's use_tpu=True."
        )
    if config.cluster_spec.jobs and config.task_type != TaskType.MASTER:
        return _train_only(estimator, train_spec)
    if _trains_on_devices(estimator) and resolve_place(config) is not None:
        raise FeatureNotAvailableError(
            "Several processes train, and none evaluates: an evaluation on the way would need all "
            "of them. Describe the processes by TF_CONFIG, with a chief, workers and a process of "
            "its own whose task is 'evaluator'; or call train() and evaluate() in turns."
        )
    return _train_and_evaluate_here(estimator, train_spec, eval_spec)


def _validate_types(estimator: Any, train_spec: Any, eval_spec: Any) -> None:
    """Checks all arguments before anything starts."""
    for name, value, wanted, spelled in (
        ("estimator", estimator, Estimator, "Estimator"),
        ("train_spec", train_spec, TrainSpec, "TrainSpec"),
        ("eval_spec", eval_spec, EvalSpec, "EvalSpec"),
    ):
        if not isinstance(value, wanted):
            raise TypeError(
                f"`{name}` must have type `tf.estimator.{spelled}`. Got: {type(value)}; make it "
                f"with tfx_tpu_estimator.{spelled}."
            )
    config = estimator.config
    if config.task_type == TaskType.EVALUATOR and config.task_id > 0:
        raise ValueError(
            "For distributed training, there can only be one `evaluator` task (with task id 0). "
            f"Given task id {config.task_id}."
        )


def _trains_on_devices(estimator: Any) -> bool:
    """Whether several processes can share the training; an Estimator's are each on their own."""
    return bool(getattr(estimator, "_use_tpu", False))


def _train_and_evaluate_here(estimator: Any, train_spec: TrainSpec, eval_spec: EvalSpec) -> Result:
    """Trains and evaluates in this process."""
    evaluator = CheckpointEvaluator(estimator, eval_spec, train_spec.max_steps)
    complete = _find_complete_checkpoint(estimator, train_spec.max_steps)
    if complete is not None:
        return _evaluate_complete(estimator, train_spec, eval_spec, evaluator, complete)
    remove_run_end(estimator.model_dir)
    listener = EvaluationListener(evaluator, eval_spec.throttle_secs)
    _train(estimator, train_spec, [*train_spec.saving_listeners, listener])
    return _finish(estimator, train_spec, eval_spec, evaluator.latest)


def _find_complete_checkpoint(estimator: Any, max_steps: int | None) -> str | None:
    """Returns the latest checkpoint if training has nothing to do any more."""
    if max_steps is None:
        return None
    checkpoint = estimator.latest_checkpoint()
    if checkpoint is None or read_global_step(checkpoint) < max_steps:
        return None
    return checkpoint


def _evaluate_complete(
    estimator: Any,
    train_spec: TrainSpec,
    eval_spec: EvalSpec,
    evaluator: CheckpointEvaluator,
    checkpoint: str,
) -> Result:
    """Evaluates a model whose training had been complete before; exports if nobody has."""
    _logger.info("Training is complete: %s has reached max_steps.", checkpoint)
    end = read_run_end(estimator.model_dir)
    was_evaluated = end is not None and _name_evaluation(estimator, eval_spec) in end.evaluated
    if was_evaluated and end is not None and end.global_step == read_global_step(checkpoint):
        return evaluator.evaluate(checkpoint), []
    return _finish(estimator, train_spec, eval_spec, evaluator.evaluate_new())


def _finish(
    estimator: Any, train_spec: TrainSpec, eval_spec: EvalSpec, latest: Evaluation | None
) -> Result:
    """Notes that the last evaluation and its exports are done, and returns them."""
    if latest is None:
        return None, []
    before = read_run_end(estimator.model_dir)
    end = RunEnd(global_step=latest.global_step, max_steps=train_spec.max_steps)
    if before is not None and before.global_step == end.global_step:
        end = before
    names = {*end.evaluated, _name_evaluation(estimator, eval_spec)}
    write_run_end(estimator.model_dir, dataclasses.replace(end, evaluated=tuple(sorted(names))))
    return latest.metrics, list(latest.exports)


def _name_evaluation(estimator: Any, eval_spec: EvalSpec) -> str:
    return os.path.basename(estimator.eval_dir(eval_spec.name))


def _train_only(estimator: Any, train_spec: TrainSpec) -> Result:
    """Trains in a process of a cluster; says when training has ended to the one that evaluates."""
    config = estimator.config
    if config.is_chief:
        remove_run_end(estimator.model_dir)
    _train(estimator, train_spec, list(train_spec.saving_listeners))
    checkpoint = estimator.latest_checkpoint() if config.is_chief else None
    if checkpoint is not None:
        write_run_end(
            estimator.model_dir,
            RunEnd(global_step=read_global_step(checkpoint), max_steps=train_spec.max_steps),
        )
    return None, []


def _train(estimator: Any, train_spec: TrainSpec, listeners: list[Any]) -> None:
    estimator.train(
        input_fn=train_spec.input_fn,
        max_steps=train_spec.max_steps,
        hooks=list(train_spec.hooks),
        saving_listeners=listeners,
    )


def _evaluate_continuously(estimator: Any, train_spec: TrainSpec, eval_spec: EvalSpec) -> Result:
    """Evaluates in a process of its own what the chief saves."""
    latest = ContinuousEvaluation(
        CheckpointEvaluator(estimator, eval_spec, train_spec.max_steps),
        model_dir=estimator.model_dir,
        max_steps=train_spec.max_steps,
        start_delay_secs=eval_spec.start_delay_secs,
        throttle_secs=eval_spec.throttle_secs,
        timeout_secs=read_timeout(estimator.config.session_creation_timeout_secs),
    ).run()
    return latest.metrics, list(latest.exports)
