"""Names and versions in a serving directory.

A model server takes any child whose name parses as an integer for a complete version and serves
the largest. What else a push needs has a name that does not parse:

    <base>/1700000000/                  a version
    <base>/.pushes/<version>.json       what is recorded of it; stays when the version is removed
    <base>/.pushes/staging-<token>/     a copy under way
    <base>/.pushes/trash-<token>/       a version that is being removed
    <base>/.pushes/lock                 who pushes
"""

from __future__ import annotations

import os
import re

from tfx.dsl.io import fileio

PUSHES_DIR = ".pushes"
STAGING = "staging-"
TRASH = "trash-"
# What servers read version numbers into.
MAX_VERSION = 2**63 - 1

# As C++ servers parse integers: blanks around it and a sign are part of one.
_INTEGER = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)
# Their rename moves a directory in one step; object stores move one object at a time.
_RENAMING_SCHEMES = ("", "hdfs://")


def normalize_base(base: str) -> str:
    """Returns the directory without trailing slashes, and a local one without `file://`."""
    return (base.removeprefix("file://").rstrip("/")) or "/"


def is_local(path: str) -> bool:
    """Whether `path` is on a file system of this machine's operating system."""
    return _read_scheme(path) == ""


def has_atomic_rename(path: str) -> bool:
    """Whether a directory at `path` can be renamed in one step."""
    return _read_scheme(path) in _RENAMING_SCHEMES


def list_versions(base: str) -> dict[int, str]:
    """Returns what a server takes for versions: number and name, smallest number first."""
    numbers = {int(name): name for name in list_names(base) if _INTEGER.fullmatch(name)}
    return dict(sorted(numbers.items()))


def list_names(folder: str) -> list[str]:
    """Returns the names in a directory, sorted; none where it does not exist."""
    try:
        names = fileio.listdir(folder)
    except fileio.NotFoundError:
        return []
    # Some file systems end the names of directories with a slash.
    return sorted({os.fsdecode(name).rstrip("/") for name in names})


def locate(base: str, *names: str) -> str:
    """Returns the path of something in the `.pushes` directory of `base`."""
    return os.path.join(base, PUSHES_DIR, *names)


def describe_busy(base: str, holder: str, timeout_secs: float) -> str:
    """Says that another push holds a serving directory."""
    return (
        f"{holder} has been pushing to {base} for more than the {timeout_secs:g} s that "
        "`lock_timeout_secs` allows to wait. Nothing was pushed; push again when it has ended."
    )


def _read_scheme(path: str) -> str:
    match = re.match(r"[a-z0-9]+://", path)
    return match[0] if match else ""
