"""One execution at a time works in a directory of durable checkpoints.

The file `<directory>.lock` says who does. It is renewed while they live, so that the lock of a
process that was killed can be told from one that is held, also on another machine.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator

from tfx.dsl.io import fileio

from ..processes import is_gone

_logger = logging.getLogger(__name__)

RENEW_SECS = 10.0
# A lock that was not renewed for so long, by this process's clock, belongs to nobody.
STALE_SECS = 60.0
_LOOK_SECS = 1.0
# Tokens of the locks that this process holds.
_held: set[str] = set()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Holder:
    """Who holds a lock.

    Attributes:
        host: Name of the machine.
        process: Process id.
        token: Another one for each time a lock is taken.
        renewed: How often the lock was renewed.
    """

    host: str
    process: int
    token: str
    renewed: int = 0

    @property
    def is_dead(self) -> bool:
        """Whether it is a process of this machine that is gone."""
        if (self.host, self.process) == (socket.gethostname(), os.getpid()):
            # Not ours: a container that was started again numbers its processes as before.
            return self.token not in _held
        return is_gone(self.host, self.process)


@contextlib.contextmanager
def hold_directory(directory: str) -> Iterator[None]:
    """Holds the lock of a directory inside the block.

    Where there is a lock, and not that of a process of this machine that is gone, this waits until
    it is renewed, or has not been for a minute.

    Args:
        directory: The directory; it need not exist.

    Raises:
        RuntimeError: Another process holds it; says which.
    """
    path = directory.rstrip("/") + ".lock"
    fileio.makedirs(os.path.dirname(path))
    holder = Holder(host=socket.gethostname(), process=os.getpid(), token=uuid.uuid4().hex)
    while not _take(path, holder):
        _remove_stale(path, directory)
    stopping = threading.Event()
    _held.add(holder.token)
    renewer = threading.Thread(target=_renew, args=(path, holder, stopping), daemon=True)
    renewer.start()
    try:
        yield
    finally:
        stopping.set()
        renewer.join()
        _held.discard(holder.token)
        _remove(path)


def _take(path: str, holder: Holder) -> bool:
    """Makes the file unless there is one; returns whether it is ours."""
    if "://" not in path:
        aside = f"{path}-{holder.token}"
        _write(aside, holder)
        try:
            os.link(aside, path)  # fails where the file exists
        except FileExistsError:
            return False
        finally:
            os.remove(aside)
        return True
    # Object stores have nothing that two writers cannot do at once; the last one wins.
    if fileio.exists(path):
        return False
    _write(path, holder)
    found = _read(path)
    return found is not None and found.token == holder.token


def _remove_stale(path: str, directory: str) -> None:
    """Removes the lock of a holder that is gone.

    Raises:
        RuntimeError: The holder lives.
    """
    first = _read(path)
    if first is None or first.is_dead:
        _take_away(path, first, "gone")
        return
    waited = 0.0
    while waited < STALE_SECS:
        now = _read(path)
        if now is None:
            return
        if now != first:
            raise RuntimeError(
                f"{_describe(now)} is training in {directory}; two trainings cannot share its "
                "checkpoints. Wait until it has ended, or stop it. The lock is the file "
                f"{path}."
            )
        if not waited:
            _logger.warning("Waiting for a sign of life of %s.", _describe(first))
        time.sleep(_LOOK_SECS)
        waited += _LOOK_SECS
    _take_away(path, first, "silent")


def _take_away(path: str, holder: Holder | None, why: str) -> None:
    # Somebody else may have been faster, and hold it now.
    if fileio.exists(path) and _read(path) == holder:
        _logger.warning("Taking over %s from %s, which is %s.", path, _describe(holder), why)
        _remove(path)


def _renew(path: str, holder: Holder, stopping: threading.Event) -> None:
    count = 0
    while not stopping.wait(RENEW_SECS):
        count += 1
        aside = f"{path}-{holder.token}"
        try:
            _write(aside, dataclasses.replace(holder, renewed=count))
            fileio.rename(aside, path, overwrite=True)
        except Exception as error:
            # Training goes on: at worst another execution takes the lock for stale.
            _logger.warning("The lock %s could not be renewed: %s", path, error)


def _describe(holder: Holder | None) -> str:
    if holder is None:
        return "a process unknown"
    return f"Process {holder.process} on {holder.host}"


def _write(path: str, holder: Holder) -> None:
    with fileio.open(path, "w") as file:
        file.write(json.dumps(dataclasses.asdict(holder)))


def _read(path: str) -> Holder | None:
    """Returns who holds the lock; None where there is no lock, or no whole one."""
    try:
        with fileio.open(path) as file:
            return Holder(**json.loads(file.read()))
    except (OSError, ValueError, TypeError, fileio.NotFoundError):
        return None


def _remove(path: str) -> None:
    # Another process may have taken over a stale lock first.
    with contextlib.suppress(OSError, fileio.NotFoundError):
        fileio.remove(path)
