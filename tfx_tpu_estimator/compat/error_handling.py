"""The old estimator's meeting point for errors of several threads."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import tensorflow as tf

_logger = logging.getLogger(__name__)
# The caller is expected to handle these, as a monitored session does, and they are not recorded.
_IGNORED = (tf.errors.AbortedError, tf.errors.UnavailableError)
# They follow from an error elsewhere.
_CONSEQUENCES = (tf.errors.CancelledError,)
_CLOSE_AFTER_SECS = 5.0

ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]


class ErrorRendezvous:
    """Collects the errors of several threads and raises the most telling one.

    The runtime of this package does not use it: programs that run threads of their own do.
    AbortedError and UnavailableError are left out, as they always were.

    Args:
        num_sources: How many threads will report.

    Example:
        >>> rendezvous = ErrorRendezvous(1)
        >>> with rendezvous.catch_errors("infeed"):
        ...     raise ValueError("no such file")
        >>> rendezvous.raise_errors()
        Traceback (most recent call last):
        ...
        ValueError: no such file
    """

    def __init__(self, num_sources: int):
        self._num_sources = num_sources
        self._reports: dict[str, BaseException | None] = {}
        self._closing: threading.Thread | None = None

    def record_error(self, source: str, exc_info: ExcInfo, session: Any = None) -> None:
        """Records an error.

        Args:
            source: Name of the thread.
            exc_info: What `sys.exc_info()` returned.
            session: A session that is closed some seconds later, so that threads that wait in it
                end.
        """
        error = exc_info[1]
        if error is None or isinstance(error, _IGNORED):
            return
        self._reports[source] = error
        if session is not None and self._closing is None:
            self._closing = threading.Thread(target=_close_later, args=(session,), daemon=True)
            self._closing.start()

    def record_done(self, source: str) -> None:
        """Records that a thread has ended; an error it reported before is kept."""
        self._reports.setdefault(source, None)

    @contextlib.contextmanager
    def catch_errors(self, source: str, session: Any = None) -> Iterator[None]:
        """Records what is raised inside, and does not raise it."""
        try:
            yield
        except Exception:  # of any kind: `raise_errors` raises it in the thread that waits
            self.record_error(source, sys.exc_info(), session)

    def raise_errors(self, timeout_sec: float = 0) -> None:
        """Raises a recorded error: the first that is not just the consequence of another.

        Args:
            timeout_sec: Seconds to wait for threads that have not reported.
        """
        deadline = time.monotonic() + timeout_sec
        while len(self._reports) < self._num_sources and time.monotonic() < deadline:
            time.sleep(0.05)
        errors = [error for error in self._reports.values() if error is not None]
        errors.sort(key=lambda error: isinstance(error, _CONSEQUENCES))  # stable: first ones first
        if errors:
            raise errors[0]


def _close_later(session: Any) -> None:
    time.sleep(_CLOSE_AFTER_SECS)
    _logger.error("A thread has failed: its session is closed.")
    session.close()
