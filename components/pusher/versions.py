"""Publishes a model as a new numbered version of a serving directory.

A model server takes any child whose name parses as an integer for a complete version and serves
the largest. So a model is copied under a name that is no integer, verified, and renamed.

    <base>/1700000000/            versions
    <base>/.staging-<host>-<pid>-<time>/   a copy under way
    <base>/.highest_version       the highest number ever used, so that none returns
"""

from __future__ import annotations

import dataclasses
import logging
import os
import re
import socket
import time

import tensorflow as tf
from tfx.dsl.io import fileio
from tfx.utils import io_utils

from ..digest import compute_directory_digest, compute_model_digest

_logger = logging.getLogger(__name__)

_STAGING = ".staging-"
_HIGHEST = ".highest_version"
# A copy of another host that has been there so long belongs to a push that was killed.
_ABANDONED_SECS = 24 * 3600
_MAX_RENAMES = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class PushedVersion:
    """Where a model is served from.

    Attributes:
        path: Directory of the version.
        version: Its number.
        already_newest: True where the model was there before and nothing was copied.
    """

    path: str
    version: int
    already_newest: bool


def push_version(model_path: str, base: str) -> PushedVersion:
    """Copies a model into `base` as its newest version, unless it already is that.

    On a file system without an atomic rename of directories (object stores) the version
    becomes visible file by file.

    Args:
        model_path: A SavedModel directory.
        base: The serving directory; made if it does not exist.

    Returns:
        The version, new or found.

    Raises:
        OSError: If the copy fails or differs from the model; nothing of it remains.
    """
    fileio.makedirs(base)
    remove_abandoned_staging(base)
    newest = max(list_versions(base).items(), default=None)
    if newest is not None:
        number, name = newest
        path = os.path.join(base, name)
        # Anything called by a number takes that number, but only a directory can be a model.
        if fileio.isdir(path) and compute_model_digest(path) == compute_model_digest(model_path):
            return PushedVersion(path=path, version=number, already_newest=True)
    staging = os.path.join(
        base, f"{_STAGING}{socket.gethostname()}-{os.getpid()}-{int(time.time())}"
    )
    try:
        _copy_verified(model_path, staging)
        return _publish(staging, base)
    except tf.errors.OpError as error:
        # What TensorFlow's file systems raise, a full disk among it, is no OSError by itself.
        raise OSError(f"{model_path} cannot be copied to {base}: {error.message}") from error
    finally:
        if fileio.exists(staging):
            fileio.rmtree(staging)


def list_versions(base: str) -> dict[int, str]:
    """Returns the versions of a serving directory: number and directory name."""
    names = _list_names(base)
    return {int(name): name for name in sorted(names) if re.fullmatch(r"\d+", name)}


def _list_names(base: str) -> list[str]:
    # Some file systems end the names of directories with a slash.
    return [os.fsdecode(name).rstrip("/") for name in fileio.listdir(base)]


def remove_abandoned_staging(base: str) -> None:
    """Removes the copies that killed pushes left in `base`.

    A copy is left alone while the process that makes it lives or, where that cannot be known
    because it ran on another host, for a day.
    """
    for name in _list_names(base):
        if name.startswith(_STAGING) and _is_abandoned(name):
            _logger.info("Removing %s, left by a push that was killed.", name)
            fileio.rmtree(os.path.join(base, name))


def _is_abandoned(name: str) -> bool:
    parts = re.fullmatch(re.escape(_STAGING) + r"(.*)-(\d+)-(\d+)", name)
    if parts is None:
        return True
    host, process, started = parts[1], int(parts[2]), int(parts[3])
    if host != socket.gethostname():
        return time.time() - started > _ABANDONED_SECS
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _copy_verified(source: str, staging: str) -> None:
    io_utils.copy_dir(source, staging)
    if compute_directory_digest(staging) != compute_directory_digest(source):
        raise OSError(
            f"the copy of {source} at {staging} differs from it: the file system lost or changed "
            "data. Nothing was pushed."
        )


def _publish(staging: str, base: str) -> PushedVersion:
    for _ in range(_MAX_RENAMES):
        version = _choose_version(base)
        path = os.path.join(base, str(version))
        # Recorded first: a number must not come back even if this process ends right here.
        _write_highest(base, version)
        try:
            fileio.rename(staging, path)
        except (OSError, tf.errors.OpError):
            # Another push has just taken this number; any other failure goes to the caller.
            if not fileio.exists(path):
                raise
            continue
        return PushedVersion(path=path, version=version, already_newest=False)
    raise OSError(f"{base}: {_MAX_RENAMES} version numbers in a row were taken by other pushes.")


def _choose_version(base: str) -> int:
    highest = max(list_versions(base), default=0)
    return max(int(time.time()), highest + 1, _read_highest(base) + 1)


def _read_highest(base: str) -> int:
    path = os.path.join(base, _HIGHEST)
    if not fileio.exists(path):
        return 0
    with fileio.open(path, "r") as file:
        text = file.read().strip()
    # An unreadable note only loses its guard; the numbers present still count.
    return int(text) if text.isdigit() else 0


def _write_highest(base: str, version: int) -> None:
    path = os.path.join(base, _HIGHEST)
    temporary = f"{path}-{socket.gethostname()}-{os.getpid()}"
    io_utils.write_string_file(temporary, f"{version}\n")
    fileio.rename(temporary, path, overwrite=True)
