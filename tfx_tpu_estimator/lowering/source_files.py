"""Where the user's own file of a copy is: messages name the one that can be edited."""

from __future__ import annotations

import os

_originals: dict[str, str] = {}


def register_copy(folder: str, original: str) -> None:
    """Says that the files of a folder are copies.

    Args:
      folder: Where the copies are; absolute.
      original: The folder of the originals, on any file system.

    Example:
      >>> register_copy("/copies/7", "models")
      >>> find_original("/copies/7/bert.py")
      'models/bert.py'
      >>> forget_copy("/copies/7")
    """
    _originals[folder] = original


def forget_copy(folder: str) -> None:
    """Takes back what `register_copy` said; nothing if it said nothing."""
    _originals.pop(folder, None)


def find_original(path: str) -> str:
    """Returns the path of the user's own file; `path` itself where that is no copy."""
    for folder, original in list(_originals.items()):
        if path.startswith(folder + os.sep):
            return os.path.join(original, path[len(folder) + 1 :])
    return path
