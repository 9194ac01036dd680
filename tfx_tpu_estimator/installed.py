"""What is installed beside this package."""

from __future__ import annotations

import importlib.metadata


def find_version(name: str) -> str | None:
    """Returns the version of an installed distribution, None if there is none; imports nothing.

    Args:
        name: Of the distribution, such as `ml-metadata`.
    """
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
