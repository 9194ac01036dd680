"""One push at a time works in a serving directory."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import socket
import time
from collections.abc import Iterator
from typing import IO

import tensorflow as tf
from tfx.dsl.io import fileio

from .claims import hold_claim
from .serving_dir import describe_busy, is_local, locate

_logger = logging.getLogger(__name__)

_LOCK_FILE = "lock"
_LOOK_SECS = 0.1
# File systems that know no locks say one of these.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


@contextlib.contextmanager
def hold_serving_dir(base: str, timeout_secs: float) -> Iterator[None]:
    """Holds the lock of a serving directory inside the block; waits for another push.

    On a local file system it is a lock of the operating system, which ends with its process,
    however that ends. Elsewhere, see `hold_claim`.

    Args:
        base: The serving directory.
        timeout_secs: How long to wait for others, in seconds.

    Raises:
        TimeoutError: If another push still holds it then; the message says which.
        OSError: If the directory cannot be made or written, here or inside the block.
    """
    with _explain_failures(base), contextlib.ExitStack() as stack:
        fileio.makedirs(locate(base))
        if not is_local(base) or not _lock_file(base, timeout_secs, stack):
            stack.enter_context(hold_claim(base, timeout_secs))
        yield


@contextlib.contextmanager
def _explain_failures(base: str) -> Iterator[None]:
    try:
        yield
    except tf.errors.OpError as error:
        # What TensorFlow's file systems raise, a read-only disk among it, is no OSError by itself.
        raise OSError(
            f"the serving directory {base} cannot be used: {error.message}. Give one that can be "
            "written."
        ) from error


def _lock_file(base: str, timeout_secs: float, stack: contextlib.ExitStack) -> bool:
    """Locks the lock file until `stack` closes; returns whether the file system knows locks."""
    file = stack.enter_context(_open(locate(base, _LOCK_FILE)))
    deadline = time.monotonic() + timeout_secs
    waiting = False
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TimeoutError(describe_busy(base, _read_holder(file), timeout_secs)) from None
            if not waiting:
                _logger.warning("Waiting for %s, which pushes to %s.", _read_holder(file), base)
                waiting = True
            time.sleep(_LOOK_SECS)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return False
            raise
        else:
            break
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}")
    file.flush()
    return True


def _open(path: str) -> IO[str]:
    # Neither truncated nor made anew: another process may hold it.
    return open(path, "a+")


def _read_holder(file: IO[str]) -> str:
    file.seek(0)
    return file.read() or "another process"
