"""The evaluator of a cluster: a process of its own that evaluates what the chief saves."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Mapping

import tensorflow as tf

from tfx_tpu_estimator.checkpoints.bundle_index import index_path
from tfx_tpu_estimator.training.checkpoint_evaluation import CheckpointEvaluator, Evaluation
from tfx_tpu_estimator.training.run_end import RunEnd, read_run_end

_logger = logging.getLogger(__name__)

TIMEOUT_VARIABLE = "TFX_TPU_ESTIMATOR_EVALUATOR_TIMEOUT_SECS"
# So often the model directory is looked at: often enough for short trainings, and seldom enough for
# storage that charges for each look.
_LEAST_POLL_SECS, _MOST_POLL_SECS = 1.0, 15.0
# A chief that is slow to save stays so.
_GAPS_TO_WAIT = 5


class ContinuousEvaluation:
    """Evaluates new checkpoints of a model directory until the training has ended.

    That is when a checkpoint of `max_steps` is evaluated; or when the last checkpoint is, and the
    chief has said that it ended earlier.

    Args:
      evaluator: Evaluates and exports.
      model_dir: Where the chief saves.
      max_steps: The step at which training will end; None for the end of its input.
      start_delay_secs: How long to wait before the first look.
      throttle_secs: Least time between the starts of two evaluations, while training goes on.
      timeout_secs: How long to wait for a new checkpoint: so long, or five times the longest time
        between two checkpoints so far if that is longer.
    """

    def __init__(
        self,
        evaluator: CheckpointEvaluator,
        *,
        model_dir: str,
        max_steps: int | None,
        start_delay_secs: float,
        throttle_secs: float,
        timeout_secs: float,
    ):
        self._evaluator = evaluator
        self._model_dir = model_dir
        self._max_steps = max_steps
        self._start_delay_secs = start_delay_secs
        self._throttle_secs = throttle_secs
        self._timeout_secs = timeout_secs
        self._poll_secs = min(max(throttle_secs / 10, _LEAST_POLL_SECS), _MOST_POLL_SECS)
        self._last_new = 0.0
        self._longest_gap = 0.0

    def run(self) -> Evaluation:
        """Evaluates until training has ended; returns the last evaluation.

        Raises:
          TimeoutError: No new checkpoint came for too long.
        """
        _logger.info("Evaluation starts after %g s.", self._start_delay_secs)
        time.sleep(self._start_delay_secs)
        self._last_new = time.monotonic()
        while True:
            # Read before the checkpoint: what is saved before the end is there when it is read.
            end = self._read_end()
            started = time.monotonic()
            evaluation = self._evaluate_new()
            latest = self._evaluator.latest
            if latest is not None and self._is_over(latest, end):
                _logger.info("Evaluation ends: training has ended at step %d.", latest.global_step)
                return self._evaluator.finish() or latest
            if evaluation is None:
                self._check_time(latest)
                time.sleep(self._poll_secs)
            else:
                self._throttle(started)

    def _read_end(self) -> RunEnd | None:
        end = read_run_end(self._model_dir)
        # That of a training before this one does not count.
        return end if end is not None and end.max_steps == self._max_steps else None

    def _is_over(self, latest: Evaluation, end: RunEnd | None) -> bool:
        if self._max_steps is not None and latest.global_step >= self._max_steps:
            return True
        return end is not None and latest.global_step >= end.global_step

    def _evaluate_new(self) -> Evaluation | None:
        """Evaluates the latest checkpoint if it is new, unless the chief deletes it meanwhile."""
        try:
            evaluation = self._evaluator.evaluate_new()
        except (tf.errors.OpError, OSError, ValueError) as error:
            checkpoint = self._evaluator.checkpoint
            if checkpoint is None or tf.io.gfile.exists(index_path(checkpoint)):
                raise
            _logger.warning(
                "%s was deleted while it was evaluated, as newer ones were saved; let more be kept "
                "with RunConfig `keep_checkpoint_max`. (%s)",
                checkpoint,
                type(error).__name__,
            )
            return None
        if evaluation is not None:
            now = time.monotonic()
            self._longest_gap = max(self._longest_gap, now - self._last_new)
            self._last_new = now
        return evaluation

    def _throttle(self, started: float) -> None:
        """Waits until another evaluation may start; not after training has ended."""
        while self._read_end() is None:
            left = started + self._throttle_secs - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, self._poll_secs))

    def _check_time(self, latest: Evaluation | None) -> None:
        waited = time.monotonic() - self._last_new
        if waited <= max(self._timeout_secs, _GAPS_TO_WAIT * self._longest_gap):
            return
        what = "checkpoint" if latest is None else f"checkpoint after that of {latest.global_step}"
        raise TimeoutError(
            f"The evaluator has waited {waited:.0f} s for a {what} in {self._model_dir}, and none "
            f"came. Has the chief stopped, and is its `model_dir` the same? {TIMEOUT_VARIABLE} "
            "sets another time in seconds, 0 for no limit."
        )


def read_timeout(default: float, environ: Mapping[str, str] | None = None) -> float:
    """Returns how long the evaluator waits for a new checkpoint, in seconds.

    Args:
      default: What holds where the environment variable is not set.
      environ: Environment variables. Default: those of this process.

    Raises:
      ValueError: The variable is no number, or negative.

    Example:
      >>> read_timeout(7200, {"TFX_TPU_ESTIMATOR_EVALUATOR_TIMEOUT_SECS": "0"})
      inf
    """
    text = (os.environ if environ is None else environ).get(TIMEOUT_VARIABLE)
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise ValueError(
            f"`{TIMEOUT_VARIABLE}` must be a number of seconds >= 0, 0 for no limit; got {text!r}."
        )
    return seconds or math.inf
