"""When a checkpoint is due, asked at the end of each loop of steps on the devices."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol


class SavePolicy(Protocol):
    """Decides whether to save. Has no state: what happened before is passed in."""

    def is_due(self, step: int, last_step: int | None, seconds: float) -> bool:
        """Whether to save now.

        Args:
          step: The global step, at the end of a loop of steps or before the first.
          last_step: The step last saved, or restored from, in this run; None before the first.
          seconds: How long that is ago.
        """
        ...

    def is_due_at_end(self, step: int, last_step: int | None) -> bool:
        """Whether to save when training ends at `step`."""
        ...


@dataclasses.dataclass(frozen=True)
class EverySteps:
    """A checkpoint at the start, at the first loop end `steps` steps after the last, at the end.

    Args:
      steps: Steps between checkpoints, > 0.

    Raises:
      ValueError: `steps` is not positive.

    Example:
      >>> policy = EverySteps(10)
      >>> [policy.is_due(step, last, 0.0) for step, last in [(0, None), (8, 0), (16, 0), (16, 16)]]
      [True, False, True, False]
    """

    steps: int

    def __post_init__(self) -> None:
        if self.steps <= 0:
            raise ValueError(f"`steps` must be > 0, got {self.steps}.")

    def is_due(self, step: int, last_step: int | None, seconds: float) -> bool:
        """Whether `steps` steps have gone by, or nothing was saved yet."""
        return last_step is None or step >= last_step + self.steps

    def is_due_at_end(self, step: int, last_step: int | None) -> bool:
        """Whether `step` is not saved yet."""
        return step != last_step


@dataclasses.dataclass(frozen=True)
class EverySeconds:
    """A checkpoint at the start, at the first loop end `seconds` after the last, at the end.

    Args:
      seconds: Seconds between checkpoints, > 0.

    Raises:
      ValueError: `seconds` is not positive.

    Example:
      >>> EverySeconds(600).is_due(20, 10, seconds=600.5)
      True
    """

    seconds: float

    def __post_init__(self) -> None:
        if self.seconds <= 0:
            raise ValueError(f"`seconds` must be > 0, got {self.seconds}.")

    def is_due(self, step: int, last_step: int | None, seconds: float) -> bool:
        """Whether the time has gone by and steps were made, or nothing was saved yet."""
        return last_step is None or (step != last_step and seconds >= self.seconds)

    def is_due_at_end(self, step: int, last_step: int | None) -> bool:
        """Whether `step` is not saved yet."""
        return step != last_step


@dataclasses.dataclass(frozen=True)
class NeverSave:
    """No checkpoints at all, not even at the end."""

    def is_due(self, step: int, last_step: int | None, seconds: float) -> bool:
        """False."""
        return False

    def is_due_at_end(self, step: int, last_step: int | None) -> bool:
        """False."""
        return False


def create_save_policy(config: Any) -> SavePolicy:
    """Returns the policy that `save_checkpoints_steps` and `save_checkpoints_secs` ask for.

    Args:
      config: The RunConfig; both None, or 0, mean no checkpoints.
    """
    if config.save_checkpoints_steps:
        return EverySteps(config.save_checkpoints_steps)
    if config.save_checkpoints_secs:
        return EverySeconds(config.save_checkpoints_secs)
    return NeverSave()
