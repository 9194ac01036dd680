"""SIGTERM during training: the loop that runs is finished and saved before the process ends."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType
from typing import Any

import tensorflow as tf

_logger = logging.getLogger(__name__)

# What a shell reports for a process that SIGTERM ended; schedulers take it for "preempted".
EXIT_CODE = 128 + signal.SIGTERM

# The watches that are on; one inside another where a listener trains.
_active: list[TerminationWatch] = []


def is_terminating() -> bool:
    """Whether a training of this process has got SIGTERM and is about to end.

    Listeners ask, which should not begin long work then.

    Example:
      >>> is_terminating()
      False
    """
    return any(watch.requested for watch in _active)


class TrainingTerminated(SystemExit):
    """Training ended because of SIGTERM; uncaught, the process exits with code 143.

    Args:
      step: The global step that was reached.
      checkpoint: Prefix of the checkpoint of that step, or None where nothing is saved.

    Example:
      >>> print(TrainingTerminated(40, "runs/m/model.ckpt-40"))
      Training was terminated by SIGTERM at step 40; checkpoint saved in runs/m/model.ckpt-40; \
start again to continue.
    """

    def __init__(self, step: int, checkpoint: str | None):
        super().__init__(EXIT_CODE)
        self.step = step
        self.checkpoint = checkpoint

    def __str__(self) -> str:
        saved = (
            "no checkpoint of it was saved by the runtime; start again from the latest one."
            if self.checkpoint is None
            else f"checkpoint saved in {self.checkpoint}; start again to continue."
        )
        return f"Training was terminated by SIGTERM at step {self.step}; {saved}"


class TerminationWatch:
    """Notices SIGTERM inside a `with` block instead of dying of it.

    Only the main thread can; elsewhere SIGTERM does what it did before. So does a second SIGTERM.
    At the end of the block the handler from before is in place again.

    Example:
      with TerminationWatch() as watch:
          while not watch.requested:
              run_a_loop()
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: Any = None
        self._installed = False

    def __enter__(self) -> TerminationWatch:
        _active.append(self)
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGTERM, self._note)
            self._installed = True
        return self

    def __exit__(self, *exception: Any) -> None:
        _active.remove(self)
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.requested = True
        self._restore()
        _logger.warning("SIGTERM: training finishes this loop, saves and exits.")

    def _restore(self) -> None:
        if self._installed:
            self._installed = False
            # None: a handler that was not installed from Python cannot be put back.
            signal.signal(signal.SIGTERM, self._previous or signal.SIG_DFL)


class StopOnTermination(tf.compat.v1.train.SessionRunHook):
    """Ends the session's loop after SIGTERM; other hooks then save as at any end.

    Args:
      watch: What noticed the signal.
    """

    def __init__(self, watch: TerminationWatch):
        self._watch = watch

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Asks for the end."""
        del run_values
        if self._watch.requested:
            run_context.request_stop()
