"""What the commands `push` and `rollback` do, without a pipeline."""

from __future__ import annotations

import os
from typing import Any

from tfx.dsl.io import fileio
from tfx.utils import path_utils

from ..constants import SAVED_MODEL_FILE
from .content import read_content
from .history import read_history
from .model_checks import check_model
from .options import PusherOptions
from .rollback import roll_back
from .serving_dir import is_local
from .versions import PushedVersion, push_content

__all__ = ["find_saved_model", "push_checked", "read_history", "roll_back"]


def find_saved_model(path: str) -> str:
    """Returns the SavedModel directory of a model.

    Args:
        path: A SavedModel directory or the directory of a Model artifact.

    Raises:
        FileNotFoundError: If it is neither.
    """
    for candidate in (path, path_utils.serving_model_dir(path)):
        if fileio.exists(os.path.join(candidate, SAVED_MODEL_FILE)):
            return candidate.rstrip("/")
    found = "is a directory without one" if fileio.isdir(path) else "does not exist"
    raise FileNotFoundError(
        f"`MODEL` must be a directory with a {SAVED_MODEL_FILE}, or a Model artifact; {path} "
        f"{found}."
    )


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
