"""Stopping a process of a cluster when the last step is saved."""

from __future__ import annotations

import time
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.checkpoints.layout import find_latest, read_global_step


def make_stop_at_checkpoint_step_hook(
    estimator: Any, last_step: int, wait_after_file_check_secs: float = 30
) -> tf.compat.v1.train.SessionRunHook:
    """Returns a hook that ends training at a step; but for the chief, when that step is saved.

    Args:
      estimator: The estimator that will train.
      last_step: The global step to stop at. On devices training stops at the first end of a loop
        at or after it; `max_steps` is exact.
      wait_after_file_check_secs: Seconds to wait after each look at the model directory.

    Returns:
      A SessionRunHook for TrainSpec or `train`.

    Raises:
      ValueError: `last_step` is None.

    Example:
      hook = make_stop_at_checkpoint_step_hook(estimator, last_step=1000)
    """
    if last_step is None:
        raise ValueError("last_step must be specified; got None. Give the global step to stop at.")
    if estimator.config.is_chief:
        return tf.compat.v1.train.StopAtStepHook(last_step=last_step)
    return _StopAtCheckpointStepHook(estimator.model_dir, last_step, wait_after_file_check_secs)


class _StopAtCheckpointStepHook(tf.compat.v1.train.SessionRunHook):
    """Asks to stop once there is a checkpoint of the last step."""

    def __init__(self, model_dir: str, last_step: int, wait_secs: float):
        self._model_dir = model_dir
        self._last_step = last_step
        self._wait_secs = wait_secs

    def begin(self) -> None:
        self._global_step = tf.identity(tf.compat.v1.train.get_global_step().read_value())

    def after_run(self, run_context: Any, run_values: Any) -> None:
        del run_values
        if int(run_context.session.run(self._global_step)) < self._last_step:
            return
        checkpoint = find_latest(self._model_dir)
        if checkpoint is not None and read_global_step(checkpoint) >= self._last_step:
            run_context.request_stop()
        else:
            time.sleep(self._wait_secs)
