"""A lock made of files only, for file systems that have none: object stores.

Whoever wants to push writes a claim and then lists all claims. Only who sees none but its own
holds the lock; others take theirs back and try again. Two that write at once see each other, so two
cannot hold it, provided that a file can be listed once it is written, as with Cloud Storage and S3.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Iterator

import tensorflow as tf
from tfx.dsl.io import fileio

from ..processes import is_gone
from .serving_dir import describe_busy, list_names, locate

_logger = logging.getLogger(__name__)

_CLAIM = "claim-"
RENEW_SECS = 10.0
# A claim that was not renewed for so long, by this process's clock, belongs to nobody.
STALE_SECS = 60.0
_LOOK_SECS = 1.0
# What file systems raise, the ones of TensorFlow among them.
_ERRORS = (OSError, tf.errors.OpError, fileio.NotFoundError)


@contextlib.contextmanager
def hold_claim(base: str, timeout_secs: float) -> Iterator[None]:
    """Holds the only claim on a serving directory inside the block.

    A claim is renewed while its process lives. That of a process of this machine that is gone is
    removed at once, any other when it has not been renewed for a minute.

    Args:
        base: The serving directory.
        timeout_secs: How long to wait for others, in seconds.

    Raises:
        TimeoutError: If another one holds it then.
    """
    name = f"{_CLAIM}{uuid.uuid4().hex}"
    path = locate(base, name)
    _acquire(base, name, timeout_secs)
    stopping = threading.Event()
    renewer = threading.Thread(target=_renew, args=(path, stopping), daemon=True)
    renewer.start()
    try:
        yield
    finally:
        stopping.set()
        renewer.join()
        _remove(path)


def _acquire(base: str, name: str, timeout_secs: float) -> None:
    deadline = time.monotonic() + timeout_secs
    seen: dict[str, tuple[str, float]] = {}
    while True:
        _write(locate(base, name), 0)
        others = [n for n in list_names(locate(base)) if n.startswith(_CLAIM) and n != name]
        others = [other for other in others if not _remove_stale(locate(base, other), seen)]
        if not others:
            return
        holder = _describe(locate(base, others[0]))
        _remove(locate(base, name))
        if time.monotonic() >= deadline:
            raise TimeoutError(describe_busy(base, holder, timeout_secs))
        # Of random length, so that two that wait do not meet each other for ever.
        time.sleep(random.uniform(0.2, 1.0) * _LOOK_SECS)


def _remove_stale(path: str, seen: dict[str, tuple[str, float]]) -> bool:
    """Removes a claim whose process is gone; returns whether there is no claim any more."""
    text = _read(path)
    if text is None:
        return True
    first, since = seen.get(path, (None, 0.0))
    if text != first:
        seen[path] = (text, time.monotonic())
        since = time.monotonic()
    if not _is_dead(text) and time.monotonic() - since < STALE_SECS:
        return False
    _logger.warning("Removing the claim of %s, which is gone.", _describe(path))
    _remove(path)
    return True


def _is_dead(text: str) -> bool:
    try:
        claim = json.loads(text)
        return is_gone(claim["host"], int(claim["process"]))
    except (ValueError, TypeError, KeyError):
        return False


def _renew(path: str, stopping: threading.Event) -> None:
    count = 0
    while not stopping.wait(RENEW_SECS):
        count += 1
        try:
            _write(path, count)
        except _ERRORS as error:
            # The push goes on: at worst another one takes the claim for stale.
            _logger.warning("The claim %s could not be renewed: %s", path, error)


def _write(path: str, renewed: int) -> None:
    claim = {"host": socket.gethostname(), "process": os.getpid(), "renewed": renewed}
    with fileio.open(path, "w") as file:
        file.write(json.dumps(claim))


def _read(path: str) -> str | None:
    try:
        with fileio.open(path, "r") as file:
            return file.read()
    except _ERRORS:
        return None


def _describe(path: str) -> str:
    try:
        claim = json.loads(_read(path) or "{}")
        return f"process {claim['process']} on {claim['host']}"
    except (ValueError, KeyError):
        return "another process"


def _remove(path: str) -> None:
    # Another process may have removed it for stale.
    with contextlib.suppress(*_ERRORS):
        fileio.remove(path)
