"""Evaluates the checkpoints of a training in the process that trains."""

from __future__ import annotations

import logging
import time
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.runs.preemption import is_terminating
from tfx_tpu_estimator.training.checkpoint_evaluation import CheckpointEvaluator

_logger = logging.getLogger(__name__)


class EvaluationListener(tf.compat.v1.train.CheckpointSaverListener):
    """Evaluates each checkpoint that training saves, and the last one in any case.

    The first, which is saved before the first step, is left out.

    Args:
      evaluator: Evaluates and exports.
      throttle_secs: Least time between the starts of two evaluations, but for the last.
    """

    def __init__(self, evaluator: CheckpointEvaluator, throttle_secs: float):
        self._evaluator = evaluator
        self._throttle_secs = throttle_secs
        self._trained = False
        self._evaluated_step: int | None = None
        self._started: float | None = None

    def begin(self) -> None:
        """Forgets the training before."""
        self._trained = False
        self._evaluated_step = self._started = None

    def after_save(self, session: Any, global_step_value: int) -> None:
        """Evaluates the checkpoint that was just saved, unless it is too soon."""
        del session
        if not self._trained:
            self._trained = True
            return
        if is_terminating():
            return
        wait = self._seconds_to_wait()
        if wait > 0:
            _logger.info(
                "The checkpoint of step %d is not evaluated: `throttle_secs` is %g, and %.0f of "
                "them are left.",
                global_step_value,
                self._throttle_secs,
                wait,
            )
            return
        self._evaluate(global_step_value)

    def end(self, session: Any, global_step_value: int) -> None:
        """Evaluates the last checkpoint if that was not done, and lets exporters finish."""
        del session
        if is_terminating():
            # Whoever asked the process to end will not wait for an evaluation; a restart goes on.
            return
        if self._evaluated_step != global_step_value:
            self._evaluate(global_step_value)
        self._evaluator.finish()

    def _seconds_to_wait(self) -> float:
        if self._started is None:
            return 0.0
        return self._started + self._throttle_secs - time.monotonic()

    def _evaluate(self, step: int) -> None:
        self._started, self._evaluated_step = time.monotonic(), step
        if self._evaluator.evaluate_new() is None:
            raise RuntimeError(
                "There was no new checkpoint after the training. The latest checkpoint of "
                f"`model_dir` is {self._evaluator.checkpoint!r}, but step {step} was just saved: "
                "a CheckpointSaverHook of your own must write to `model_dir`."
            )
