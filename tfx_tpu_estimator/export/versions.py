"""The numbered directories that exports of one kind go into."""

from __future__ import annotations

import os

import tensorflow as tf

_DELETED_PREFIX = "temp-deleted-"


def list_versions(directory: str) -> list[int]:
    """Returns the numbers of the exports in a directory, ascending.

    What is not named by digits alone, such as an export that is being written, does not count.

    Args:
      directory: The directory; it need not exist.

    Example:
      >>> list_versions("no/such/directory")
      []
    """
    if not tf.io.gfile.isdir(directory):
        return []
    # Remote file systems list directories with a slash at the end.
    names = [name.rstrip("/") for name in tf.io.gfile.listdir(directory)]
    return sorted(int(name) for name in names if _is_version(name))


def _is_version(name: str) -> bool:
    # No leading zeros: a directory must be found again by its number.
    return name.isascii() and name.isdigit() and str(int(name)) == name


def delete_old_versions(directory: str, keep: int | None, latest: int) -> list[int]:
    """Deletes all exports of a directory but the newest.

    Each is renamed before it is deleted, so that nobody takes half of it for the whole.

    Args:
      directory: The directory.
      keep: How many exports to keep, > 0; None for all.
      latest: The export just made: the newest, even if the clock went back and others have
        higher numbers.

    Returns:
      The numbers of the deleted ones, ascending.
    """
    if keep is None:
        return []
    others = [version for version in list_versions(directory) if version != latest]
    deleted = others[: max(0, len(others) - (keep - 1))]
    for version in deleted:
        path = os.path.join(directory, str(version))
        aside = os.path.join(directory, f"{_DELETED_PREFIX}{version}")
        if tf.io.gfile.exists(aside):
            # A deletion was interrupted.
            tf.io.gfile.rmtree(aside)
        tf.io.gfile.rename(path, aside)
        tf.io.gfile.rmtree(aside)
    return deleted
