"""Where a model directory keeps its checkpoints, and what is in them."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.checkpoints.integrity import find_latest_whole, validate_whole


def find_latest(model_dir: str) -> str | None:
    """Returns the prefix of the latest checkpoint of `model_dir` that is whole, or None.

    Raises:
      DataCorruptionError: There are checkpoints, and all are corrupt.
    """
    return find_latest_whole(model_dir)


def resolve_checkpoint(
    model_dir: str,
    checkpoint_path: str | None,
    find: Callable[[str], str | None] = find_latest,
) -> str:
    """Returns the checkpoint to read: the one given, or the latest whole one of `model_dir`.

    Args:
      model_dir: A directory of checkpoints.
      checkpoint_path: Prefix of a checkpoint, or None.
      find: Finds the latest checkpoint of a directory.

    Raises:
      TypeError: The one given is no path.
      ValueError: There is none.
      DataCorruptionError: The one given is corrupt, or all of `model_dir` are.
    """
    if checkpoint_path:
        path = _validate_prefix(checkpoint_path)
        validate_whole(path, "checkpoint_path")
        return path
    latest = find(model_dir)
    if latest is None:
        raise ValueError(
            f"Could not find trained model in model_dir: {model_dir}. Train it first, or give "
            "`checkpoint_path`."
        )
    return latest


def _validate_prefix(checkpoint_path: Any) -> str:
    """Returns the prefix of a checkpoint that there is.

    Raises:
      TypeError: It is no path.
      ValueError: There is no such checkpoint; the message says which one may be meant.
    """
    if not isinstance(checkpoint_path, str | bytes | os.PathLike):
        raise TypeError(
            "`checkpoint_path` must be a path, such as <model_dir>/model.ckpt-1000; got "
            f"{checkpoint_path!r}."
        )
    path = os.fsdecode(checkpoint_path)
    if tf.io.gfile.exists(path + ".index"):
        return path
    meant = _guess_prefix(path)
    raise ValueError(
        f"`checkpoint_path` {path!r} is not a checkpoint: {path}.index does not exist. Give a "
        "checkpoint prefix such as "
        + (f"{meant!r}, which exists." if meant else "<model_dir>/model.ckpt-1000.")
    )


def _guess_prefix(path: str) -> str | None:
    """Returns the checkpoint of which `path` is a file, or that is in the directory `path`."""
    candidates = [
        re.sub(r"\.(index|meta|data-\d+-of-\d+)$", "", path),
        os.path.join(path, "variables", "variables"),
    ]
    if tf.io.gfile.isdir(path):
        candidates.append(tf.train.latest_checkpoint(path) or "")
    return next((c for c in candidates if c and tf.io.gfile.exists(c + ".index")), None)


def read_global_step(checkpoint: str) -> int:
    """Returns the global step saved in `checkpoint`."""
    return int(tf.train.load_variable(checkpoint, tf.compat.v1.GraphKeys.GLOBAL_STEP))


def list_variables(checkpoint: str) -> list[str]:
    """Returns the names of the variables in `checkpoint`, sorted."""
    return sorted(name for name, _ in tf.train.list_variables(checkpoint))


def read_variable(checkpoint: str, name: str) -> np.ndarray:
    """Returns the value of one variable.

    Raises:
      ValueError: The checkpoint has no such variable; the message lists near names.
    """
    reader = tf.train.load_checkpoint(checkpoint)
    if not reader.has_tensor(name):
        near = difflib.get_close_matches(name, reader.get_variable_to_shape_map(), n=3)
        raise ValueError(
            f"`name` {name!r} is not a variable of checkpoint {checkpoint}. "
            + (f"Near names: {near}." if near else "See get_variable_names().")
        )
    return reader.get_tensor(name)
