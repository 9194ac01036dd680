"""Files that are whole whenever they are there: written beside their place, then renamed."""

from __future__ import annotations

import contextlib
import os
import uuid


def write_local_file(path: str | os.PathLike[str], text: str) -> None:
    """Writes a text file of this machine, without TensorFlow.

    Args:
        path: The file; missing directories are made, a file that is there is replaced.
        text: What it shall hold; written as UTF-8.

    Raises:
        OSError: If it cannot be written; what was at `path` is still there.

    Example:
        write_local_file("out/report.json", json.dumps(report))
    """
    path = os.path.abspath(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    aside = _name_aside(path)
    try:
        with open(aside, "x", encoding="utf-8") as file:
            file.write(text)
        os.replace(aside, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(aside)
        raise


def write_file(path: str, content: str | bytes) -> None:
    """Writes a file of any file system that TensorFlow knows, in a directory that exists.

    Args:
        path: The file; one that is there is replaced.
        content: What it shall hold; text is written as UTF-8.

    Raises:
        tf.errors.OpError: If it cannot be written; what was at `path` is still there.
    """
    import tensorflow as tf  # the other function does without

    aside = _name_aside(path)
    try:
        with tf.io.gfile.GFile(aside, "w" if isinstance(content, str) else "wb") as file:
            file.write(content)
        tf.io.gfile.rename(aside, path, overwrite=True)
    except BaseException:
        # Whatever hinders that too must not hide why the file cannot be written.
        with contextlib.suppress(tf.errors.OpError):
            tf.io.gfile.remove(aside)
        raise


def _name_aside(path: str) -> str:
    """Returns a name that no other writer has, and no pattern of readers matches."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.{uuid.uuid4().hex[:8]}.tmp")
