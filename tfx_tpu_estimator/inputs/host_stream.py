"""A host's input as a stream of device loops, read and moved to the devices in the background."""

from __future__ import annotations

import dataclasses
import logging
import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tfx_tpu_estimator.inputs.deployment import DeployedInput
from tfx_tpu_estimator.inputs.position import InputPosition
from tfx_tpu_estimator.inputs.reader import InputReader

_logger = logging.getLogger(__name__)

# Loops read ahead of the one that runs: one ready, one being read.
DEFAULT_LOOPS_AHEAD = 2
THREAD_NAME = "tfx_tpu_estimator_input"
# A user's Python function that does not return cannot be interrupted.
_CLOSE_SECONDS = 30


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputLoop:
    """The input of one device loop.

    Attributes:
      steps: Its number of steps, K.
      first_step: Steps of this stream before it.
      batches: What `place` returned for arrays [K, replicas of this host, ...].
      valid: bool [K, replicas, examples of one replica], False for padding; None in TRAIN.
      position: The position of the input after these steps.
    """

    steps: int
    first_step: int
    batches: Any
    valid: np.ndarray | None
    position: InputPosition

    @property
    def examples(self) -> int | None:
        """Real examples of the loop on this host; None in TRAIN, where all are real."""
        return None if self.valid is None else int(self.valid.sum())


def plan_loops(loop_steps: int, total_steps: int | None = None) -> Callable[[int], int]:
    """Returns a `next_loop` of equal loops, the last one shorter so as to land on the total.

    Args:
      loop_steps: Steps of one loop, > 0.
      total_steps: Steps of all loops; None for no end.

    Returns:
      Takes the steps that were planned before; returns those of the next loop, 0 for no more.

    Example:
      >>> next_loop = plan_loops(4, 10)
      >>> next_loop(0), next_loop(4), next_loop(8), next_loop(10)
      (4, 4, 2, 0)
    """
    if total_steps is None:
        return lambda done: loop_steps
    return lambda done: max(0, min(loop_steps, total_steps - done))


class HostStream(Iterator[InputLoop]):
    """Iterates over the loops of a host's input; the next ones are made meanwhile.

    A thread reads the batches of a loop, stacks them and moves them to the devices. It stays at
    most `loops_ahead` loops ahead, the one that it is reading included, and starts at once.
    Use it as a context manager, or call `close`.

    Args:
      deployed: The input.
      next_loop: Called in the thread with the steps planned so far; returns the steps of the next
        loop, or 0 for no more. It is asked up to `loops_ahead` loops before that one runs.
      place: Called in the thread with the list of arrays [K, replicas, ...] of a loop; what it
        returns becomes `InputLoop.batches`. The arrays are never written again. Default: the list.
      loops_ahead: How many loops may be in memory besides the one that the caller has.

    Raises:
      Exception: From `next`, with its type, whatever input or `place` raised. The end of the input
        is no error: iteration stops, and `input_ended` is True.

    Example:
      with HostStream(deployed, next_loop=plan_loops(100, 1000)) as stream:
          for loop in stream:
              run(loop.batches)
    """

    def __init__(
        self,
        deployed: DeployedInput,
        *,
        next_loop: Callable[[int], int],
        place: Callable[[list[np.ndarray]], Any] | None = None,
        loops_ahead: int = DEFAULT_LOOPS_AHEAD,
    ):
        if loops_ahead < 1:
            raise ValueError(f"`loops_ahead` must be at least 1; got {loops_ahead}.")
        self._producer = _Producer(deployed, next_loop, place or list, loops_ahead)
        self._finished = False
        self.input_ended = False
        self.seconds_waited = 0.0
        # The thread knows the producer only, so that a stream that nobody holds any more ends it.
        self._close = weakref.finalize(self, self._producer.stop)
        self._producer.start()

    def __enter__(self) -> HostStream:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def close(self) -> None:
        """Stops reading, ends the thread and drops what it had read; may be called again."""
        self._finished = True
        self._close()

    def __next__(self) -> InputLoop:
        """Returns the next loop; waits for it, which `seconds_waited` adds up."""
        if self._finished:
            raise StopIteration
        start = time.monotonic()
        item = self._producer.take()
        self.seconds_waited += time.monotonic() - start
        if isinstance(item, InputLoop):
            return item
        self.close()
        if item.error is not None:
            raise item.error
        self.input_ended = item.input_ended
        raise StopIteration


@dataclasses.dataclass(frozen=True, kw_only=True)
class _End:
    """Why no more loops come."""

    input_ended: bool = False
    error: BaseException | None = None


class _Producer:
    """The thread, and what it shares with the stream."""

    def __init__(
        self,
        deployed: DeployedInput,
        next_loop: Callable[[int], int],
        place: Callable[[list[np.ndarray]], Any],
        loops_ahead: int,
    ):
        self._deployed = deployed
        self._next_loop = next_loop
        self._place = place
        self._free = threading.Semaphore(loops_ahead)
        self._made: queue.SimpleQueue[InputLoop | _End] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._reader = InputReader(deployed)
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def take(self) -> InputLoop | _End:
        """Waits for the next loop or the end, and lets the thread make another."""
        item = self._made.get()
        self._free.release()
        return item

    def stop(self) -> None:
        """Ends the thread and forgets what was made."""
        self._stopping.set()
        self._free.release()
        self._reader.close()
        # The garbage collector may drop a stream in any thread, this one's included.
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(_CLOSE_SECONDS)
            if self._thread.is_alive():
                _logger.warning(
                    "The input did not stop within %d seconds; a Python function of it may be "
                    "waiting. Its thread ends when that returns.",
                    _CLOSE_SECONDS,
                )
        while not self._made.empty():
            self._made.get()

    def _run(self) -> None:
        try:
            self._reader.start()
            self._make_loops()
            self._made.put(_End(input_ended=self._reader.ended))
        except BaseException as error:
            # Closing the sessions makes whatever runs in them fail.
            self._made.put(_End(error=None if self._stopping.is_set() else error))
        finally:
            self._reader.close()

    def _make_loops(self) -> None:
        done = 0
        while not self._reader.ended:
            self._free.acquire()
            steps = 0 if self._stopping.is_set() else self._next_loop(done)
            if steps < 1:
                return
            loop = self._make_loop(steps, done)
            if loop is None:
                return
            done += loop.steps
            self._made.put(loop)
            # Else it would be kept in memory until the next one is made.
            del loop

    def _make_loop(self, steps: int, done: int) -> InputLoop | None:
        batches = self._reader.read(steps)
        if batches is None:
            return None
        after = done + batches.steps
        return InputLoop(
            steps=batches.steps,
            first_step=done,
            batches=self._place(list(batches.arrays)),
            valid=batches.valid,
            position=self._deployed.position.advance(after, self._deployed.gets_per_step),
        )
