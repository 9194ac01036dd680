"""What the commands `push` and `rollback` do, without a pipeline."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from tfx.dsl.io import fileio

from ..saved_model import find_saved_model
from .content import read_content
from .history import read_history
from .model_checks import check_model
from .options import PusherOptions
from .rollback import roll_back
from .serving_dir import is_local
from .versions import PushedVersion, push_content

__all__ = [
    "check_directory",
    "check_exists",
    "find_saved_model",
    "push_checked",
    "read_history",
    "roll_back",
]


def check_directory(base: str, model_path: str) -> None:
    """Refuses a directory that cannot be meant for versions, such as two arguments in wrong order.

    Args:
        base: The serving directory; it need not exist.
        model_path: The SavedModel directory of what is to be pushed there.

    Raises:
        NotADirectoryError: If it is a file, a model, or lies in the model.
    """
    if fileio.exists(base):
        check_exists(base)
    with contextlib.suppress(FileNotFoundError):
        found = find_saved_model(base)
        raise NotADirectoryError(
            f"`DIR` must be a directory of versions; {base} is a model ({found}). The model comes "
            "first, then the directory."
        )
    folder, model = _make_absolute(base), _make_absolute(model_path)
    if folder.startswith(model + "/"):
        raise NotADirectoryError(
            f"`DIR` {base} lies in the model {model_path}, which a push does not change: give a "
            "directory outside it."
        )


def check_exists(base: str) -> None:
    """Refuses what is no directory.

    Args:
        base: The serving directory.

    Raises:
        FileNotFoundError: If it does not exist.
        NotADirectoryError: If it is a file.
    """
    if not fileio.exists(base):
        raise FileNotFoundError(f"`DIR` must be a directory of versions; {base} does not exist.")
    if not fileio.isdir(base):
        raise NotADirectoryError(f"`DIR` must be a directory of versions; {base} is a file.")


def push_checked(model_path: str, base: str, **options: Any) -> PushedVersion:
    """Checks a model as the Pusher does and makes it the newest version of a directory.

    Args:
        model_path: A SavedModel directory.
        base: The serving directory.
        **options: Fields of `PusherOptions`.

    Raises:
        ValueError: If the model fails a check.
        OSError: If it cannot be copied.
    """
    chosen = PusherOptions(**options)
    content = read_content(model_path, serve_only=chosen.serve_only)
    check_model(model_path, chosen)
    return push_content(content, base, chosen, source=_make_absolute(model_path))


def _make_absolute(path: str) -> str:
    return os.path.abspath(path) if is_local(path) else path
