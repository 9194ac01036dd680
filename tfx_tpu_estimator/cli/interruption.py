"""Ctrl-C reaches a command wherever it meets the program."""

from __future__ import annotations

import _thread
import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

# Long enough for what is running to be left.
_SOON = 0.05


@contextlib.contextmanager
def kept_interruptions() -> Iterator[None]:
    """A block in which no KeyboardInterrupt is lost.

    What is raised where nobody could catch it, as in a callback of the garbage collector (jax has
    one) or a `__del__`, Python prints and drops: the command would go on as if nothing had been.
    It is raised once more instead, a moment later.
    """
    before = sys.unraisablehook

    def raise_again(dropped: Any) -> None:
        if not issubclass(dropped.exc_type, KeyboardInterrupt):
            before(dropped)
            return
        # By another thread: what is raised here would be dropped, too.
        timer = threading.Timer(_SOON, _thread.interrupt_main)
        timer.daemon = True
        timer.start()

    sys.unraisablehook = raise_again
    try:
        yield
    finally:
        sys.unraisablehook = before
