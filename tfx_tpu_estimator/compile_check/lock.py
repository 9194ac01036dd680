"""The lock that lets one compile of a user run at a time, and who holds it."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import TextIO

_POLL_SECS = 0.25
_LONGEST_COMMAND = 120


@contextlib.contextmanager
def compiling(on_wait: Callable[[float, str], None]) -> Iterator[None]:
    """A block that one process of this user is in at a time: compiles take much memory.

    Args:
      on_wait: Called several times a second while another process is, with the seconds waited and
        who it is, empty where not known: "process 7 (`compile model.py`), compiling since 13:40:02
        UTC".

    Example:
      with compiling(lambda seconds, holder: print(f"{seconds:.0f} s: {holder}")):
          compile_it()
    """
    path = os.path.join(tempfile.gettempdir(), f"tfx_tpu_estimator-compile-{os.getuid()}.lock")
    # Not emptied when it is opened: it says who has the lock. Commands are no one else's business.
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(handle, "r+", encoding="utf-8", errors="replace") as file:
        os.fchmod(handle, 0o600)
        started = time.monotonic()
        while not _try_to_lock(file):
            file.seek(0)
            on_wait(time.monotonic() - started, file.read().strip())
            time.sleep(_POLL_SECS)
        _write(file, _describe_self())
        try:
            yield
        finally:
            _write(file, "")


def _try_to_lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(file: TextIO, text: str) -> None:
    file.seek(0)
    file.truncate()
    file.write(text)
    file.flush()


def _describe_self() -> str:
    words = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
    command = " ".join(shlex.join(words).split())
    if len(command) > _LONGEST_COMMAND:
        command = f"{command[:_LONGEST_COMMAND]}..."
    since = datetime.datetime.now(datetime.timezone.utc).strftime("%H:%M:%S UTC")
    return f"process {os.getpid()} (`{command}`), compiling since {since}"
