"""Plain reading of TFRecord files, one record at a time: to find the one that cannot be read.

Training reads through `tf.data`, whose errors name neither the file nor the record. The functions
here are for afterwards: they work in graph and in eager mode alike and change nothing.
"""

from __future__ import annotations

import gzip
import inspect
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, cast

import tensorflow as tf

_CHUNK_BYTES = 1 << 20
# Around the data of a record: its length (8 bytes) with checksum (4), and the data's checksum (4).
_FRAME_BYTES = 16


def iterate_records(path: str, compression: str) -> Iterator[bytes]:
    """Iterates over the records of one TFRecord file, in order.

    Args:
        path: the file.
        compression: 'GZIP' or ''.

    Yields:
        The bytes of each record.

    Raises:
        tf.errors.DataLossError: the file is not (or no longer) a TFRecord file.
    """
    # The only reader of the public API that needs neither eager mode nor a session. It is marked
    # as deprecated in favour of tf.data; unwrapping it avoids the warning, which no user can heed.
    reader = inspect.unwrap(tf.compat.v1.io.tf_record_iterator)
    kinds = tf.io.TFRecordOptions(compression_type=cast(Any, compression))
    yield from reader(path, kinds)


def find_corrupt_record(files: Iterable[str], compression: str) -> tuple[str, int, str] | None:
    """Finds the first record that cannot be read.

    Args:
        files: paths, searched in this order.
        compression: 'GZIP' or ''.

    Returns:
        (file, index of the record in it counted from 0, reason), or None if all can be read.
    """
    for path in files:
        index, framed = 0, 0
        try:
            for record in iterate_records(path, compression):
                index += 1
                framed += len(record) + _FRAME_BYTES
        except tf.errors.DataLossError as error:
            return path, index, _explain_data_loss(path, compression, index, error)
        damage = _find_silent_loss(path, compression, framed)
        if damage is not None:
            return path, index, damage
    return None


def _find_silent_loss(path: str, compression: str, framed: int) -> str | None:
    """Finds what TensorFlow takes for a good end: a stop between records or in a record's length.

    Args:
        path: a file of which all records could be read.
        compression: 'GZIP' or ''.
        framed: bytes that the records and their frames take.
    """
    if compression == "GZIP":
        size, damage = _unpack_gzip(path)
        if damage is not None:
            return damage
    else:
        size = tf.io.gfile.stat(path).length
    if size != framed:
        return f"the file ends in the middle of the record ({size - framed} bytes are left over)"
    return None


def _explain_data_loss(
    path: str, compression: str, index: int, error: tf.errors.DataLossError
) -> str:
    """Puts TensorFlow's reason into words that say what is wrong with the file."""
    if compression == "GZIP":
        _, damage = _unpack_gzip(path)
        if damage is not None:
            return damage
    message = str(error.message).split("\n")[0]
    if "truncated" in message:
        return f"the file ends in the middle of the record ({message})"
    if index == 0 and _starts_like_gzip(path) and compression != "GZIP":
        return "the file is compressed with gzip, but is read as an uncompressed TFRecord"
    if index == 0:
        return f"wrong checksum at the very start, so it may be no TFRecord file ({message})"
    return f"wrong checksum ({message})"


def _unpack_gzip(path: str) -> tuple[int, str | None]:
    """Unpacks a gzip file to its end; returns (bytes unpacked, what is wrong or None)."""
    size = 0
    if not _starts_like_gzip(path):
        is_empty = tf.io.gfile.stat(path).length == 0
        return size, None if is_empty else "the file is not compressed with gzip"
    try:
        with tf.io.gfile.GFile(path, "rb") as raw, gzip.GzipFile(fileobj=raw) as file:
            while chunk := file.read(_CHUNK_BYTES):
                size += len(chunk)
    except EOFError:
        return size, "the gzip stream is truncated: the file ends before the end of its data"
    except (gzip.BadGzipFile, zlib.error) as error:
        return size, f"the gzip stream is damaged ({error})"
    return size, None


def _starts_like_gzip(path: str) -> bool:
    with tf.io.gfile.GFile(path, "rb") as file:
        return file.read(2) == b"\x1f\x8b"
