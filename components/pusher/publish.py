"""Makes a version out of files, and takes versions away; never half of one where that can be.

Everything here is called by who holds the lock of the serving directory.
"""

from __future__ import annotations

import logging
import os
import time
import uuid

import tensorflow as tf
from tfx.dsl.io import fileio

from ..constants import SAVED_MODEL_FILE
from .content import Content, flush_path, verify_copy, write_content
from .records import Records
from .serving_dir import (
    MAX_VERSION,
    STAGING,
    TRASH,
    has_atomic_rename,
    is_local,
    list_names,
    list_versions,
    locate,
)

_logger = logging.getLogger(__name__)

_OLD_NOTE = ".highest_version"


def choose_version(base: str, records: Records) -> int:
    """Returns a number for a new version: the time, or one more than the largest ever used.

    Raises:
        ValueError: If there is no larger number.
    """
    highest = max([_read_old_note(base), *list_versions(base), *records.numbers])
    if highest >= MAX_VERSION:
        raise ValueError(
            f"{base} has the version {highest}, and servers read no larger number. Rename that "
            "version, or push to another directory."
        )
    return max(int(time.time()), highest + 1)


def _read_old_note(base: str) -> int:
    """Returns the largest number that release 0.1.0 noted; it kept no records."""
    path = os.path.join(base, _OLD_NOTE)
    if not fileio.exists(path):
        return 0
    with fileio.open(path, "r") as file:
        text = file.read().strip()
    # Not readable, it only loses its guard; the numbers present still count.
    return int(text) if text.isdigit() else 0


def publish(content: Content, base: str, version: int) -> str:
    """Copies files under a name that is no version, verifies them, and renames.

    Where directories cannot be renamed in one step, the files are moved one by one, saved_model.pb
    last: until then the version cannot be loaded.

    Args:
        content: The files.
        base: The serving directory.
        version: Number of the version.

    Returns:
        Path of the version.

    Raises:
        OSError: If the copy fails or differs from the model; nothing of it remains.
    """
    staging = locate(base, f"{STAGING}{uuid.uuid4().hex}")
    path = os.path.join(base, str(version))
    try:
        write_content(content, staging)
        if fileio.exists(path):
            raise OSError(f"{path} was made by something else meanwhile. Nothing was pushed.")
        if has_atomic_rename(base):
            fileio.rename(staging, path)
        else:
            _move_files(content, staging, path)
    except tf.errors.OpError as error:
        # What TensorFlow's file systems raise, a full disk among it, is no OSError by itself.
        raise OSError(f"{content.root} cannot be copied to {base}: {error.message}") from error
    finally:
        remove_tree(staging)
    if is_local(base):
        flush_path(base)
    return path


def _move_files(content: Content, staging: str, path: str) -> None:
    last = (SAVED_MODEL_FILE,)
    try:
        for name in sorted(content.digests):
            if name not in last:
                _move(os.path.join(staging, name), os.path.join(path, name))
        if len(content.digests) > len(last):
            verify_copy(content, path, without=last)
        for name in last:
            _move(os.path.join(staging, name), os.path.join(path, name))
        verify_copy(content, path)
    except BaseException:
        remove_tree(path)
        raise


def _move(source: str, target: str) -> None:
    fileio.makedirs(os.path.dirname(target))
    fileio.rename(source, target)


def remove_version(base: str, name: str) -> None:
    """Takes a version away: at once where a rename can, else saved_model.pb first."""
    path = os.path.join(base, name)
    if has_atomic_rename(base):
        trash = locate(base, f"{TRASH}{uuid.uuid4().hex}")
        fileio.rename(path, trash)
        path = trash
    else:
        fileio.remove(os.path.join(path, SAVED_MODEL_FILE))
    remove_tree(path)


def remove_leftovers(base: str) -> None:
    """Removes what pushes that were killed have left.

    Who holds the lock knows that no other push is under way, so whatever is there is left over.
    """
    for name in list_names(locate(base)):
        path = locate(base, name)
        if name.startswith((STAGING, TRASH)):
            _logger.info("Removing %s, left by a push that was killed.", path)
            remove_tree(path)
        elif name.endswith(".json.new"):
            fileio.remove(path)
    if has_atomic_rename(base):
        return
    recorded = Records(base).numbers
    for version, name in list_versions(base).items():
        path = os.path.join(base, name)
        # Only of our own: it was being moved to, or being removed.
        if version in recorded and not fileio.exists(os.path.join(path, SAVED_MODEL_FILE)):
            _logger.info("Removing %s, left by a push that was killed.", path)
            remove_tree(path)


def remove_tree(path: str) -> None:
    """Removes a directory and all that is in it, if it exists."""
    if fileio.exists(path):
        fileio.rmtree(path)
