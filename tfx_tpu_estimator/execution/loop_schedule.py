"""How many training steps run on the host before Python gets its turn."""

from __future__ import annotations

import dataclasses

from tfx_tpu_estimator.execution.step_loop import MAX_STEPS

# Short enough for progress, checkpoints by the clock and Ctrl-C; long enough for the time that
# Python takes not to count.
_RUN_SECONDS = 0.25
_NO_END = 2**63 - 1


@dataclasses.dataclass
class _Mark:
    """A global step that runs must stop at, every so many steps."""

    every: int | None
    due: int | None

    def reach(self, step: int) -> None:
        if self.every is not None and self.due is not None and step >= self.due:
            self.due = step + self.every


class LoopSchedule:
    """Divides a training into runs of the session that end where something is due.

    Summaries are due after the first step, and then every so many steps. Checkpoints are due so
    many steps after the start. Speed is measured without a stop: each step tells its time.

    Args:
      start: The global step that training starts at.
      target: The global step to stop at; None for no end.
      checkpoint_steps: Steps between checkpoints; None for none, or by the clock.
      summary_steps: Steps between summaries; None for none.

    Example:
      >>> schedule = LoopSchedule(0, 12, checkpoint_steps=10, summary_steps=4)
      >>> ends = []
      >>> while schedule.goes_on:
      ...     ends.append(schedule.until)
      ...     schedule.ran(schedule.until, steps=1, seconds=0.001)
      >>> ends
      [1, 5, 9, 10, 12]
    """

    def __init__(
        self,
        start: int,
        target: int | None,
        *,
        checkpoint_steps: int | None,
        summary_steps: int | None,
    ):
        self._step = start
        self._target = target
        self._checkpoint = _Mark(checkpoint_steps, checkpoint_steps and start + checkpoint_steps)
        self._summary = _Mark(summary_steps, summary_steps and start + 1)
        # The first run tells how long a step takes.
        self.most = 1

    @property
    def goes_on(self) -> bool:
        """Whether there are steps left."""
        return self._target is None or self._step < self._target

    @property
    def until(self) -> int:
        """The global step that the coming run must not go beyond."""
        dues = (self._target, self._checkpoint.due, self._summary.due)
        return min((due for due in dues if due is not None), default=_NO_END)

    @property
    def summary_at(self) -> int | None:
        """The global step at which the next summary is due."""
        return self._summary.due

    def ran(self, step: int, *, steps: int, seconds: float) -> None:
        """Takes note of a run.

        Args:
          step: The global step now.
          steps: How many steps it had.
          seconds: How long it took.
        """
        self._step = step
        for mark in (self._checkpoint, self._summary):
            mark.reach(step)
        fitting = _RUN_SECONDS * steps / max(seconds, 1e-9)
        self.most = max(1, min(MAX_STEPS, int(fitting)))
