"""The file `checkpoint` of a model directory: which checkpoints there are, and which is latest."""

from __future__ import annotations

import dataclasses
import os
import re

import tensorflow as tf
from google.protobuf import text_format

from tfx_tpu_estimator.checkpoints.bundle_index import index_path
from tfx_tpu_estimator.errors import DataCorruptionError

BASENAME = "model.ckpt"
_FILENAME = "checkpoint"
_STEP = re.compile(rf"{re.escape(BASENAME)}-(\d+)\.index")


@dataclasses.dataclass(frozen=True)
class KeptCheckpoint:
    """A checkpoint that counts towards how many are kept.

    Attributes:
      prefix: Its path without `.index`.
      timestamp: When it was written, in seconds since 1970.
    """

    prefix: str
    timestamp: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckpointState:
    """The content of the file `checkpoint`.

    Attributes:
      latest: Prefix of the latest checkpoint.
      kept: The checkpoints that count towards how many are kept, oldest first.
      last_preserved: When the checkpoint was written that was last kept for good, in seconds since
        1970; None where nobody has said so yet.
    """

    latest: str
    kept: tuple[KeptCheckpoint, ...]
    last_preserved: float | None = None


def read_state(model_dir: str) -> CheckpointState | None:
    """Reads the state of `model_dir`; None where there is none.

    Relative paths are relative to `model_dir`. Absolute ones that lead nowhere are looked for in
    `model_dir` itself, which may have been moved.

    Raises:
      DataCorruptionError: The file cannot be understood.
    """
    path = state_path(model_dir)
    if not tf.io.gfile.exists(path):
        return None
    proto = _new_proto("any", ["any"], [], None)  # it logs a line where the latest is not listed
    proto.Clear()
    try:
        with tf.io.gfile.GFile(path, "rb") as f:
            text_format.Parse(f.read().decode("utf-8"), proto)
    except (UnicodeDecodeError, text_format.ParseError) as error:
        raise DataCorruptionError(f"{path} is no checkpoint state file: {error}") from error
    if not proto.model_checkpoint_path:
        raise DataCorruptionError(f"{path} names no checkpoint")
    latest = _locate(model_dir, proto.model_checkpoint_path)
    prefixes = [_locate(model_dir, p) for p in proto.all_model_checkpoint_paths] or [latest]
    times = list(proto.all_model_checkpoint_timestamps)
    if len(times) != len(prefixes):
        times = [_read_mtime(p) for p in prefixes]
    return CheckpointState(
        latest=latest,
        kept=tuple(map(KeptCheckpoint, prefixes, times)),
        last_preserved=proto.last_preserved_timestamp or None,
    )


def format_state(state: CheckpointState) -> str:
    """Returns the text of the file for `state`, with paths relative to the model directory."""
    proto = _new_proto(
        os.path.basename(state.latest),
        [os.path.basename(c.prefix) for c in state.kept],
        [c.timestamp for c in state.kept],
        state.last_preserved,
    )
    return text_format.MessageToString(proto)


def state_path(model_dir: str) -> str:
    """Returns the path of the state file of `model_dir`."""
    return os.path.join(model_dir, _FILENAME)


def scan_directory(model_dir: str) -> tuple[KeptCheckpoint, ...]:
    """Returns the checkpoints `model.ckpt-<step>` that lie in `model_dir`, lowest step first."""
    if not tf.io.gfile.isdir(model_dir):
        return ()
    found = [m for m in map(_STEP.fullmatch, tf.io.gfile.listdir(model_dir)) if m]
    prefixes = [
        os.path.join(model_dir, m.string.removesuffix(".index"))
        for m in sorted(found, key=lambda m: int(m[1]))
    ]
    return tuple(KeptCheckpoint(p, _read_mtime(p)) for p in prefixes)


def list_kept(model_dir: str) -> tuple[tuple[KeptCheckpoint, ...], float | None]:
    """Returns the checkpoints that count in `model_dir`, oldest first, and `last_preserved`.

    Those whose files are gone are left out. Where the state file cannot be understood, those that
    lie in the directory count.
    """
    try:
        state = read_state(model_dir)
    except DataCorruptionError:
        return scan_directory(model_dir), None
    if state is None:
        return (), None
    # The latest counts as the newest, even where someone went back to it.
    ordered = sorted(state.kept, key=lambda c: c.prefix == state.latest)
    there = tuple(c for c in ordered if tf.io.gfile.exists(index_path(c.prefix)))
    return there, state.last_preserved


def _new_proto(latest: str, prefixes: list[str], times: list[float], last_preserved: float | None):
    return tf.compat.v1.train.generate_checkpoint_state_proto(
        ".",
        latest,
        all_model_checkpoint_paths=prefixes or None,
        all_model_checkpoint_timestamps=times or None,
        last_preserved_timestamp=last_preserved,
    )


def _locate(model_dir: str, path: str) -> str:
    if not os.path.isabs(path) and "://" not in path:
        return os.path.join(model_dir, path)
    moved = os.path.join(model_dir, os.path.basename(path))
    if not tf.io.gfile.exists(index_path(path)) and tf.io.gfile.exists(index_path(moved)):
        return moved
    return path


def _read_mtime(prefix: str) -> float:
    try:
        return tf.io.gfile.stat(index_path(prefix)).mtime_nsec / 1e9
    except tf.errors.NotFoundError:
        return 0.0
