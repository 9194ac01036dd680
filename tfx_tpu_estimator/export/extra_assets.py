"""Files of the user's own that go along with an export, below assets.extra."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

DIRECTORY = "assets.extra"


def validate_assets_extra(assets_extra: Any) -> None:
    """Checks the extra assets of an export.

    Args:
      assets_extra: {path below assets.extra: source file}, or None.

    Raises:
      ValueError: It is no dict, a path leaves the export directory or stands in the way of
        another one, or a source is no file.
    """
    if assets_extra is None:
        return
    if not isinstance(assets_extra, Mapping):
        raise ValueError(
            "`assets_extra` must be a dict {path below assets.extra: source file}; got "
            f"{assets_extra!r}."
        )
    targets: dict[str, str] = {}
    for name, source in assets_extra.items():
        target = _validate_name(name)
        if target in targets:
            raise ValueError(
                f"`assets_extra` keys {targets[target]!r} and {name!r} are the same path, "
                f"{target!r}. Give each file a path of its own."
            )
        targets[target] = name
        _validate_source(source)
    for target, name in targets.items():
        for parent in _list_parents(target):
            if parent in targets:
                raise ValueError(
                    f"`assets_extra` key {targets[parent]!r} is a file, so that it cannot be the "
                    f"directory of {name!r}. Rename one of them."
                )


def copy_assets_extra(assets_extra: Mapping[str, Any], export_directory: str) -> None:
    """Copies extra assets, as content: what a symbolic link names, not the link.

    Args:
      assets_extra: {path below assets.extra: source file}, checked.
      export_directory: The export that is being written.
    """
    for name, source in assets_extra.items():
        target = os.path.join(export_directory, DIRECTORY, posixpath.normpath(name))
        tf.io.gfile.makedirs(os.path.dirname(target))
        tf.io.gfile.copy(os.fspath(source), target)


def _validate_name(name: Any) -> str:
    """Returns the path in its shortest form.

    Raises:
      ValueError: It is no relative path that stays below assets.extra on every system.
    """
    if not isinstance(name, str):
        raise ValueError(
            f"`assets_extra` keys must be strings, paths below assets.extra; got {name!r}."
        )
    # An export may be copied to and served on a system that divides paths at backslashes and
    # has drives.
    if "\\" in name or "\0" in name or ":" in name.split("/")[0]:
        raise ValueError(
            f"`assets_extra` key {name!r} is not a path that every system understands, and on some "
            "leaves the directory assets.extra of the export; use a relative path whose parts are "
            "divided by '/', without '\\', a drive or a scheme."
        )
    target = posixpath.normpath(name)
    if posixpath.isabs(name) or ".." in name.split("/") or target == "." or name.endswith("/"):
        raise ValueError(
            f"`assets_extra` key {name!r} leaves the directory assets.extra of the export or names "
            "no file in it; use a relative path without '..'."
        )
    return target


def _validate_source(source: Any) -> None:
    if not isinstance(source, str | os.PathLike):
        raise ValueError(f"`assets_extra` values must be paths of files; got {source!r}.")
    path = os.fspath(source)
    if not tf.io.gfile.exists(path):
        raise ValueError(f"`assets_extra` names {path!r}, which does not exist.")
    if tf.io.gfile.isdir(path):
        raise ValueError(
            f"`assets_extra` names {path!r}, which is a directory. Name each of its files."
        )


def _list_parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]
