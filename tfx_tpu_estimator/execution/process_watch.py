"""Watches the other processes of a run, so that none waits for ever for one that is gone."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from tfx_tpu_estimator.config.processes import ProcessPlace
from tfx_tpu_estimator.execution import jax_processes
from tfx_tpu_estimator.execution.rendezvous import Meeting

_logger = logging.getLogger(__name__)

_INTERVAL_SECS = 1.0
# A process whose sign of life does not change for so long is taken for dead.
_SILENT_SECS = 5.0
# So long a process may take to end by its own error after another one has gone.
_GRACE_SECS = 4.0
# So long a chief that failed keeps the table, for the others to read why.
_LINGER_SECS = 30.0
# All processes want to leave then, and only have to hear that the others do.
_LEAVE_SECS = 60.0
_ROOT = "tfx_tpu_estimator"
_FINISHED = "it ended"


class ProcessWatch:
    """A thread that says that this process lives, and reads what the others say.

    Args:
      place: This process's place.
      client: jax's client, with a table of strings that all processes see.
      meeting: Connects the processes until each has left jax's service.
    """

    def __init__(self, place: ProcessPlace, client: Any, meeting: Meeting):
        self._place = place
        self._client = client
        self._meeting = meeting
        self._doing: str | None = None
        self._failed = False
        self._stopping = threading.Event()
        self._gone_since: float | None = None
        self._thread = threading.Thread(
            target=self._run, name="tfx_tpu_estimator_watch", daemon=True
        )

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    @contextlib.contextmanager
    def running(self, what: str) -> Iterator[None]:
        """A block during which this process cannot do without the others."""
        self._set_gone(None)
        self._doing, self._failed = what, False
        try:
            yield
        except BaseException as error:
            self._failed = True
            text = str(error).strip().partition("\n")[0]
            self._set_gone(f"{type(error).__name__}: {text}")
            raise
        finally:
            self._doing, self._gone_since = None, None

    def describe_loss(self) -> str:
        """Returns which processes are gone, and why if they said so; takes some seconds."""
        gone = self._list_gone()
        if not gone:
            gone = dict.fromkeys(self._find_silent(), "it gives no sign of life")
        names = [f"{self._place.names[i]}: {reason}" for i, reason in sorted(gone.items())]
        which = "; ".join(names) or "the connection to another process broke"
        return (
            f"Cannot {self._doing} on: another process of this run is gone ({which}). See its log; "
            "start all processes again to go on from the last checkpoint."
        )

    def leave(self) -> None:
        """Ends together with the others; a failed process does not wait for those that have not.

        Called when the process exits.
        """
        try:
            if self._failed:
                self._linger()
                self._stop()
                jax_processes.abandon()
            else:
                self._set_gone(_FINISHED)
                self._stop()
                jax_processes.leave(self._wait_for_ends)
        except Exception as error:
            # The process ends in any case, and its own error is what counts.
            _logger.info("Left the other processes: %s", error)
            self._stop()

    def _wait_for_ends(self) -> None:
        if self._place.process_id == 0 and not self._meeting.wait_for_ends(_LEAVE_SECS):
            _logger.info("Not all processes have left after %g s.", _LEAVE_SECS)
        self._meeting.end()

    def _linger(self) -> None:
        """Lets the other processes end first: with process 0 goes what they learn reasons from."""
        if self._place.process_id == 0:
            self._meeting.wait_for_ends(_LINGER_SECS)
        else:
            self._meeting.leave_open()

    def _stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_SILENT_SECS)

    def _set_gone(self, reason: str | None) -> None:
        key = f"{_ROOT}/gone/{self._place.process_id}"
        try:
            self._client.key_value_set(key, reason or "", allow_overwrite=True)
        except Exception as error:
            _logger.info("Could not tell the other processes: %s", error)

    def _list_gone(self) -> dict[int, str]:
        found = self._read("gone")
        return {i: reason for i, reason in found.items() if reason and i != self._place.process_id}

    def _find_silent(self) -> list[int]:
        before = self._read("alive")
        time.sleep(_SILENT_SECS)
        after = self._read("alive")
        others = set(range(self._place.num_processes)) - {self._place.process_id}
        return [i for i in sorted(others) if before.get(i) == after.get(i)]

    def _read(self, what: str) -> dict[int, str]:
        prefix = f"{_ROOT}/{what}/"
        pairs = self._client.key_value_dir_get(prefix)
        return {int(key.rpartition("/")[2]): value for key, value in pairs}

    def _run(self) -> None:
        count = 0
        own = f"{_ROOT}/alive/{self._place.process_id}"
        try:
            while not self._stopping.wait(_INTERVAL_SECS):
                count += 1
                self._client.key_value_set(own, str(count), allow_overwrite=True)
                if self._doing is not None:
                    self._check_others()
        except Exception as error:
            # The table is gone with process 0, which jax notices itself and ends this process.
            _logger.info("Cannot watch the other processes any more: %s", error)

    def _check_others(self) -> None:
        gone = self._list_gone()
        if not gone:
            self._gone_since = None
            return
        now = time.monotonic()
        self._gone_since = self._gone_since or now
        if now - self._gone_since < _GRACE_SECS:
            return
        # The main thread waits inside jax for the one that is gone; nothing can interrupt it.
        message = f"RuntimeError: {self.describe_loss()}"
        self._set_gone(message)
        print(message, file=sys.stderr, flush=True)
        os._exit(1)
