"""How one metric has developed over the evaluations, and whether that is reason to stop."""

from __future__ import annotations

import logging
import math

from tfx_tpu_estimator.summaries.event_reader import EventFiles

_logger = logging.getLogger(__name__)


class MetricHistory:
    """The values of a metric, read from event files whenever it is asked.

    Evaluations without the metric do not count. NaN is worse than any number.

    Args:
      eval_dir: Where the event files are.
      metric_name: The metric.
      min_steps: Evaluations of lower global steps do not count.
    """

    def __init__(self, eval_dir: str, metric_name: str, min_steps: int):
        self._eval_dir = eval_dir
        self._files = EventFiles.of_directory(eval_dir)
        self._metric_name = metric_name
        self._min_steps = min_steps
        self._warned = False

    def has_passed(self, threshold: float, *, higher: bool) -> bool:
        """Whether an evaluation has a value beyond the threshold.

        Args:
          threshold: The value to pass.
          higher: Whether to pass it upwards.
        """
        for step, value in self._read().items():
            if _is_better(value, threshold, higher=higher):
                _logger.info(
                    "`%s` is %g at step %d, which is %s than %g.",
                    self._metric_name,
                    value,
                    step,
                    "higher" if higher else "lower",
                    threshold,
                )
                return True
        return False

    def has_stalled(self, max_steps: int, *, higher: bool) -> bool:
        """Whether so many steps went by without a value better than all before.

        Args:
          max_steps: Steps from the best evaluation to a later one.
          higher: Whether higher values are better.
        """
        best: tuple[int, float] | None = None
        for step, value in self._read().items():
            if best is None or _is_better(value, best[1], higher=higher):
                best = step, value
            if step - best[0] >= max_steps:
                _logger.info(
                    "`%s` has not %s for %d steps, since it was %g at step %d.",
                    self._metric_name,
                    "increased" if higher else "decreased",
                    step - best[0],
                    best[1],
                    best[0],
                )
                return True
        return False

    def _read(self) -> dict[int, float]:
        """Returns the values that count by global step, ascending."""
        evaluations = self._files.read()
        found = {s: m[self._metric_name] for s, m in evaluations.items() if self._metric_name in m}
        if evaluations and not found and not self._warned:
            self._warned = True
            known = sorted({name for metrics in evaluations.values() for name in metrics})
            _logger.warning(
                "Early stopping looks for `%s`, which no evaluation in %s has; they have %s.",
                self._metric_name,
                self._eval_dir,
                known,
            )
        return {step: value for step, value in found.items() if step >= self._min_steps}


def _is_better(value: float, than: float, *, higher: bool) -> bool:
    if math.isnan(than):
        return not math.isnan(value)
    return value > than if higher else value < than
