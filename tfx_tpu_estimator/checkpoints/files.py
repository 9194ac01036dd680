"""The files of a checkpoint: moving, copying and deleting them in a safe order."""

from __future__ import annotations

import os

import tensorflow as tf

from tfx_tpu_estimator.checkpoints.bundle_index import data_path, index_path


def payload_path(prefix: str) -> str:
    """Returns the path of the payload written with checkpoint `prefix`."""
    return prefix + ".input.json"


def read_payload(prefix: str) -> bytes | None:
    """Returns the payload written with checkpoint `prefix`, or None where there is none.

    Args:
      prefix: Path of the checkpoint without `.index`.
    """
    path = payload_path(prefix)
    return _read_bytes(path) if tf.io.gfile.exists(path) else None


def list_data_files(prefix: str) -> list[str]:
    """Returns the data files of checkpoint `prefix`, sorted."""
    directory, name = os.path.split(prefix)
    if not tf.io.gfile.isdir(directory or "."):
        return []
    found = tf.io.gfile.listdir(directory or ".")
    return sorted(os.path.join(directory, f) for f in found if f.startswith(f"{name}.data-"))


def is_replaced_by_other(prefix: str, new: str) -> bool:
    """Whether there is a checkpoint `prefix` that differs from the one at `new`.

    Equal indexes hold equal checksums, so that their data is the same.
    """
    path = index_path(prefix)
    return tf.io.gfile.exists(path) and _read_bytes(path) != _read_bytes(index_path(new))


def meta_path(prefix: str) -> str:
    """Returns the path of the graph of a checkpoint."""
    return f"{prefix}.meta"


def move_checkpoint(source: str, target: str) -> None:
    """Renames a checkpoint that has one data file, the index last."""
    data = data_path(target, 0, 1)
    for path_of in (payload_path, meta_path):
        if tf.io.gfile.exists(path_of(source)):
            tf.io.gfile.rename(path_of(source), path_of(target), overwrite=True)
        else:
            _remove(path_of(target))
    tf.io.gfile.rename(data_path(source, 0, 1), data, overwrite=True)
    tf.io.gfile.rename(index_path(source), index_path(target), overwrite=True)
    for stale in list_data_files(target):
        if stale != data:
            _remove(stale)


def copy_checkpoint(source: str, target: str) -> None:
    """Copies all files of a checkpoint, the index last."""
    copied = [
        *list_data_files(source),
        payload_path(source),
        meta_path(source),
        index_path(source),
    ]
    for path in copied:
        if tf.io.gfile.exists(path):
            tf.io.gfile.copy(path, target + path.removeprefix(source), overwrite=True)


def delete_checkpoint(prefix: str) -> None:
    """Deletes all files of a checkpoint, the index first: what is left of it is none."""
    _remove(index_path(prefix))
    for path in [*list_data_files(prefix), meta_path(prefix), payload_path(prefix)]:
        _remove(path)


def write_bytes(path: str, content: bytes) -> None:
    """Writes a small file."""
    with tf.io.gfile.GFile(path, "wb") as f:
        f.write(content)


def read_lines(path: str) -> list[str]:
    """Returns the lines of a small file; none where there is no file."""
    return _read_bytes(path).decode().splitlines() if tf.io.gfile.exists(path) else []


def remove_directory(path: str) -> None:
    """Removes a directory with all it holds, if there is one."""
    if tf.io.gfile.exists(path):
        tf.io.gfile.rmtree(path)


def _read_bytes(path: str) -> bytes:
    with tf.io.gfile.GFile(path, "rb") as f:
        return f.read()


def _remove(path: str) -> None:
    if tf.io.gfile.exists(path):
        tf.io.gfile.remove(path)
