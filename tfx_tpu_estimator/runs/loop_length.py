"""How many steps run on the devices before the host gets its turn."""

from __future__ import annotations

import collections
import threading
from collections.abc import Iterator

from tfx_tpu_estimator.config.tpu_config import LoopLength
from tfx_tpu_estimator.execution.chief_choices import ChiefChoices

# Of a loop length in seconds: over so many loops the time of a step is averaged.
_REMEMBERED_LOOPS = 20
# So many steps in one program are enough to make the host's part small.
_MOST_STEPS = 256


class LoopPlan:
    """Divides a training into loops, and loops into programs.

    A length in seconds starts with one step; later loops have as many steps as fit, by the mean
    time of a step in the last 20 loops. The input asks for programs from a thread of its own,
    some ahead of the one that runs.

    Args:
      length: Of TPUConfig.iterations_per_loop.
      total: Steps in all; None for no end.
      choices: In several processes: how the chief's choice becomes that of all.

    Example:
      >>> plan = LoopPlan(LoopLength(steps=4), total=7)
      >>> [plan.next_program(done) for done in (0, 4, 6, 7)]
      [4, 2, 1, 0]
      >>> [plan.is_loop_end(done) for done in (4, 6, 7)]
      [True, False, True]
    """

    def __init__(
        self,
        length: LoopLength,
        total: int | None,
        choices: ChiefChoices | None = None,
    ):
        self._length = length
        self._total = total
        self._choices = choices
        self._programs: collections.deque[int] = collections.deque()
        self._ends: set[int] = set()
        self._step_seconds: collections.deque[float] = collections.deque(maxlen=_REMEMBERED_LOOPS)
        self._lock = threading.Lock()

    def next_program(self, done: int) -> int:
        """Returns the steps of the next program; 0 when all are planned.

        Args:
          done: Steps planned so far.
        """
        if not self._programs:
            # Without the lock: the thread that runs the steps must not wait while this waits.
            steps = self._choices.next(self._choose) if self._choices else self._choose()
            if self._total is not None:
                steps = min(steps, self._total - done)
            if steps <= 0:
                return 0
            self._programs.extend(split_loop(steps, self._length.steps))
            with self._lock:
                self._ends.add(done + steps)
        return self._programs.popleft()

    def close(self) -> None:
        """Ends `next_program` where it waits for the chief, which plans no more."""
        if self._choices is not None:
            self._choices.close()

    def is_loop_end(self, done: int) -> bool:
        """Returns whether a loop ends after `done` steps, and forgets the ends before."""
        with self._lock:
            found = done in self._ends
            self._ends = {end for end in self._ends if end > done}
            return found

    def finished_program(self, steps: int, seconds: float) -> None:
        """Takes note of how long a program took."""
        with self._lock:
            self._step_seconds.append(seconds / steps)

    def _choose(self) -> int:
        if self._length.steps is not None:
            return self._length.steps
        with self._lock:
            seconds = list(self._step_seconds)
        if not seconds:
            return 1
        mean = sum(seconds) / len(seconds)
        return max(1, int((self._length.seconds or 1) / max(mean, 1e-9)))


def split_loop(steps: int, usual: int | None) -> Iterator[int]:
    """Yields the numbers of steps of the programs that a loop is made of.

    Each number that occurs is compiled once. The usual length is one program; any other is made
    of powers of two, so that few numbers occur however the lengths change. The results are the
    same to the bit.

    Args:
      steps: Steps of the loop.
      usual: The length that is worth a program of its own; None if lengths vary.
    """
    if steps == usual:
        yield steps
        return
    limit = min(_MOST_STEPS, usual or _MOST_STEPS)
    while steps:
        size = 1 << (min(steps, limit).bit_length() - 1)
        yield size
        steps -= size
