"""Several processes of this machine evaluate blocks; results come in the order of the blocks."""

from __future__ import annotations

import collections
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .blocks import Block
from .helper_process import HelperProcess
from .partial_sums import Partial
from .plan import Plan

# Loading TensorFlow takes a helper several seconds: what takes less than this is done alone.
PATIENCE = 2.0
# Blocks that wait for each helper while it works on another, so that it never waits for one.
_WAITING = 2
# Results that wait for an earlier one, by helper: memory is bounded by this.
_AHEAD = 8


class Crew:
    """Helpers that evaluate blocks beside this process, which evaluates some itself.

    Helpers are started when an evaluation takes longer than `patience`; while they load their
    libraries this process goes on. They end with the `with` block.

    Args:
        plan: What is computed.
        workers: Processes in all, this one among them.
        patience: Seconds.

    Raises:
        ValueError: If the plan cannot be sent to other processes.

    Example:
        with Crew(plan, workers=4) as crew:
            evaluate(blocks, plan, crew=crew)
    """

    def __init__(self, plan: Plan, *, workers: int, patience: float = PATIENCE):
        self._plan = plan.to_bytes()
        self._patience = patience
        self._size = workers - 1
        self._work: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._helpers: list[_Helper] = []

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *details: object) -> None:
        for helper in self._helpers:
            helper.stop()
        for helper in self._helpers:
            helper.join()

    @property
    def evaluated(self) -> list[int]:
        """Number of blocks that each helper evaluated."""
        return [helper.evaluated for helper in self._helpers]

    @property
    def pids(self) -> list[int]:
        """Process ids of the helpers."""
        return [helper.pid for helper in self._helpers]

    @property
    def queued(self) -> int:
        """Number of blocks that are for helpers, and that none has begun."""
        return self._work.qsize()

    def start(self) -> None:
        """Starts the helpers, which takes them seconds but not the caller."""
        if not self._helpers:
            self._helpers = [_Helper(self._plan, self._work) for _ in range(self._size)]

    def wait_until_ready(self) -> None:
        """Blocks until all helpers can evaluate.

        Raises:
            RuntimeError: If one cannot be started.
        """
        self.start()
        for helper in self._helpers:
            helper.ready.wait()
            helper.check()

    def evaluate(
        self, evaluate_here: Callable[[Block], Partial], blocks: Iterable[Block]
    ) -> Iterator[Partial]:
        """Yields the sums of each block, in the order of the blocks.

        Args:
            evaluate_here: What this process does with a block.
            blocks: The blocks.

        Raises:
            RuntimeError: If a helper dies.
        """
        deadline = time.monotonic() + self._patience
        waiting: collections.deque[_Task] = collections.deque()
        for block in blocks:
            if time.monotonic() > deadline:
                self.start()
            task = _Task(block)
            waiting.append(task)
            if self._work.qsize() < self._count_ready() * _WAITING:
                self._work.put(task)
            else:
                task.run(evaluate_here)
            while waiting and (waiting[0].done.is_set() or len(waiting) > _AHEAD * self._size):
                yield self._take(waiting.popleft())
        # The end: what no helper has begun is done here.
        while (left := self._take_back()) is not None:
            left.run(evaluate_here)
        while waiting:
            yield self._take(waiting.popleft())

    def _take_back(self) -> _Task | None:
        try:
            return self._work.get_nowait()
        except queue.Empty:
            return None

    def _count_ready(self) -> int:
        return sum(helper.ready.is_set() for helper in self._helpers)

    def _take(self, task: _Task) -> Partial:
        # What a dead helper was given would never be done.
        while not task.done.wait(1.0):
            for helper in self._helpers:
                helper.check()
        return task.read()


class _Task:
    """A block, and what becomes of it."""

    def __init__(self, block: Block):
        self.block: Block | None = block
        self.done = threading.Event()
        self._result: Any = None

    def run(self, evaluate: Callable[[Block], Any]) -> None:
        assert self.block is not None
        self.set(evaluate(self.block))

    def set(self, result: Any) -> None:
        # Only the result is kept in memory.
        self._result, self.block = result, None
        self.done.set()

    def read(self) -> Partial:
        if isinstance(self._result, BaseException):
            raise self._result
        return self._result


class _Helper:
    """A helper process and the thread that talks to it."""

    def __init__(self, plan: bytes, work: queue.SimpleQueue[_Task | None]):
        self.ready = threading.Event()
        self.evaluated = 0
        self._work = work
        self._error: BaseException | None = None
        self._process = HelperProcess(plan)
        self._thread = threading.Thread(target=self._talk, daemon=True, name="evaluation helper")
        self._thread.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        # Whichever thread takes it: there is one for each.
        self._work.put(None)
        self._process.stop()

    def join(self) -> None:
        self._thread.join()
        self._process.close()

    def _talk(self) -> None:
        try:
            self._process.wait_until_ready()
            self.ready.set()
            while (task := self._work.get()) is not None:
                assert task.block is not None
                result = self._process.evaluate(task.block)
                # Before anybody learns that it is done, who may look at the number then.
                self.evaluated += 1
                task.set(result)
        except Exception as error:  # whatever it is, the main thread raises it
            self._error = error
            self.ready.set()
