"""Hooks that stop training before its last step."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.estimator import Estimator
from tfx_tpu_estimator.training.metric_history import MetricHistory

_logger = logging.getLogger(__name__)


def make_early_stopping_hook(
    estimator: Any,
    should_stop_fn: Callable[[], bool],
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> tf.compat.v1.train.SessionRunHook:
    """Returns a hook that ends training when a function says so.

    On devices the function is asked between loops of steps. In several processes only the chief
    asks it, and all stop together.

    Args:
      estimator: The estimator that will train.
      should_stop_fn: Is called without arguments; returns whether to stop.
      run_every_secs: Seconds between two calls.
      run_every_steps: Steps between two calls; `run_every_secs` must be None then.

    Returns:
      A SessionRunHook for TrainSpec or `train`.

    Raises:
      TypeError: `estimator` is no Estimator, or `should_stop_fn` no function.
      ValueError: Both, or neither, of `run_every_secs` and `run_every_steps` are given.

    Example:
      hook = make_early_stopping_hook(estimator, lambda: os.path.exists("stop"), run_every_secs=10)
      estimator.train(input_fn, hooks=[hook], max_steps=10_000)
    """
    _validate_estimator(estimator)
    if run_every_secs is not None and run_every_steps is not None:
        raise ValueError(
            "Only one of `run_every_secs` and `run_every_steps` must be set. Got "
            f"{run_every_secs} and {run_every_steps}; set the other to None."
        )
    if run_every_secs is None and run_every_steps is None:
        raise ValueError("One of `run_every_secs` and `run_every_steps` must be set; got None.")
    if not callable(should_stop_fn):
        raise TypeError(f"`should_stop_fn` must be callable. Got {should_stop_fn!r}.")
    return EarlyStoppingHook(should_stop_fn, run_every_secs, run_every_steps)


def stop_if_higher_hook(
    estimator: Any,
    metric_name: str,
    threshold: float,
    eval_dir: str | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> tf.compat.v1.train.SessionRunHook:
    """Returns a hook that ends training when a metric has become higher than a threshold.

    Args:
      estimator: The estimator that will train.
      metric_name: The metric, such as "accuracy".
      threshold: Its value must be higher.
      eval_dir: Where the event files of evaluations are. Default: `estimator.eval_dir()`.
      min_steps: Evaluations of lower global steps do not count.
      run_every_secs: As for `make_early_stopping_hook`.
      run_every_steps: As for `make_early_stopping_hook`.

    Returns:
      A SessionRunHook for TrainSpec or `train`.

    Raises:
      TypeError, ValueError: As `make_early_stopping_hook` does.

    Example:
      hook = stop_if_higher_hook(estimator, "accuracy", 0.9)
      train_and_evaluate(estimator, TrainSpec(input_fn, hooks=[hook], max_steps=10_000), eval_spec)
    """
    history = _make_history(estimator, metric_name, eval_dir, min_steps)
    return make_early_stopping_hook(
        estimator, lambda: history.has_passed(threshold, higher=True), run_every_secs,
        run_every_steps,
    )  # fmt: skip


def stop_if_lower_hook(
    estimator: Any,
    metric_name: str,
    threshold: float,
    eval_dir: str | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> tf.compat.v1.train.SessionRunHook:
    """Returns a hook that ends training when a metric has become lower than a threshold.

    Args:
      estimator: The estimator that will train.
      metric_name: The metric, such as "loss".
      threshold: Its value must be lower.
      eval_dir: As for `stop_if_higher_hook`.
      min_steps: As for `stop_if_higher_hook`.
      run_every_secs: As for `make_early_stopping_hook`.
      run_every_steps: As for `make_early_stopping_hook`.

    Returns:
      A SessionRunHook for TrainSpec or `train`.

    Raises:
      TypeError, ValueError: As `make_early_stopping_hook` does.

    Example:
      hook = stop_if_lower_hook(estimator, "loss", 0.1, run_every_secs=None, run_every_steps=100)
    """
    history = _make_history(estimator, metric_name, eval_dir, min_steps)
    return make_early_stopping_hook(
        estimator, lambda: history.has_passed(threshold, higher=False), run_every_secs,
        run_every_steps,
    )  # fmt: skip


def stop_if_no_increase_hook(
    estimator: Any,
    metric_name: str,
    max_steps_without_increase: int,
    eval_dir: str | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> tf.compat.v1.train.SessionRunHook:
    """Returns a hook that ends training when a metric has not increased for so many steps.

    Args:
      estimator: The estimator that will train.
      metric_name: The metric, such as "accuracy".
      max_steps_without_increase: From the evaluation with the highest value, in training steps.
      eval_dir: As for `stop_if_higher_hook`.
      min_steps: As for `stop_if_higher_hook`.
      run_every_secs: As for `make_early_stopping_hook`.
      run_every_steps: As for `make_early_stopping_hook`.

    Returns:
      A SessionRunHook for TrainSpec or `train`.

    Raises:
      TypeError, ValueError: As `make_early_stopping_hook` does.

    Example:
      hook = stop_if_no_increase_hook(estimator, "auc", max_steps_without_increase=1000)
    """
    history = _make_history(estimator, metric_name, eval_dir, min_steps)
    return make_early_stopping_hook(
        estimator, lambda: history.has_stalled(max_steps_without_increase, higher=True),
        run_every_secs, run_every_steps,
    )  # fmt: skip


def stop_if_no_decrease_hook(
    estimator: Any,
    metric_name: str,
    max_steps_without_decrease: int,
    eval_dir: str | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> tf.compat.v1.train.SessionRunHook:
    """Returns a hook that ends training when a metric has not decreased for so many steps.

    Args:
      estimator: The estimator that will train.
      metric_name: The metric, such as "loss".
      max_steps_without_decrease: From the evaluation with the lowest value, in training steps.
      eval_dir: As for `stop_if_higher_hook`.
      min_steps: As for `stop_if_higher_hook`.
      run_every_secs: As for `make_early_stopping_hook`.
      run_every_steps: As for `make_early_stopping_hook`.

    Returns:
      A SessionRunHook for TrainSpec or `train`.

    Raises:
      TypeError, ValueError: As `make_early_stopping_hook` does.

    Example:
      hook = stop_if_no_decrease_hook(estimator, "loss", max_steps_without_decrease=1000)
    """
    history = _make_history(estimator, metric_name, eval_dir, min_steps)
    return make_early_stopping_hook(
        estimator, lambda: history.has_stalled(max_steps_without_decrease, higher=False),
        run_every_secs, run_every_steps,
    )  # fmt: skip


class EarlyStoppingHook(tf.compat.v1.train.SessionRunHook):
    """Asks now and then whether to stop.

    Args:
      should_stop_fn: Returns whether to stop.
      run_every_secs: Seconds between two questions, or None.
      run_every_steps: Steps between two questions, or None.
    """

    def __init__(
        self,
        should_stop_fn: Callable[[], bool],
        run_every_secs: float | None,
        run_every_steps: int | None,
    ):
        self._should_stop_fn = should_stop_fn
        self._secs = run_every_secs
        self._steps = run_every_steps
        self._asked: tuple[int, float] | None = None

    def begin(self) -> None:
        """Starts anew."""
        self._asked = None
        # Made while the graph can still grow.
        self._global_step = tf.identity(tf.compat.v1.train.get_global_step().read_value())

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Asks if it is time."""
        del run_values
        now = time.monotonic()
        if self._secs is not None and self._asked and now < self._asked[1] + self._secs:
            return
        # In a run of its own, after the step: it must not be the value from before.
        step = int(run_context.session.run(self._global_step))
        if self._steps is not None and self._asked and step < self._asked[0] + self._steps:
            return
        self._asked = step, now
        if self._should_stop_fn():
            _logger.info("Training is stopped early at step %d.", step)
            run_context.request_stop()


def _validate_estimator(estimator: Any) -> None:
    if not isinstance(estimator, Estimator):
        raise TypeError(
            f"`estimator` must have type `tf.estimator.Estimator`. Got: {type(estimator)}."
        )


def _make_history(
    estimator: Any, metric_name: str, eval_dir: str | None, min_steps: int
) -> MetricHistory:
    _validate_estimator(estimator)
    return MetricHistory(eval_dir or estimator.eval_dir(), metric_name, min_steps)
