"""File patterns -> a deterministic stream of serialized records from TFRecord files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, cast

import tensorflow as tf

from tfx_tpu_estimator.errors import DataCorruptionError, EmptySplitError
from tfx_tpu_estimator.inputs.record_scan import find_corrupt_record, iterate_records

GZIP = "GZIP"
UNCOMPRESSED = ""

# The values of the Examples property `file_format` that name TFRecord files.
_COMPRESSION_OF_FORMAT = {
    "tfrecords_gzip": GZIP,
    "tfrecord_gzip": GZIP,
    "tfrecords": UNCOMPRESSED,
    "tfrecord": UNCOMPRESSED,
}
_GZIP_MAGIC = b"\x1f\x8b"
# Files read at the same time while training; more only costs memory.
_MAX_PARALLEL_FILES = 16


def list_files(patterns: str | Sequence[str], what: str = "files") -> list[str]:
    """Lists the files that match one or several patterns.

    Args:
        patterns: glob pattern(s); anything `tf.io.gfile` can open. Folders that match are left out.
        what: name of the argument the patterns came from, for the error message.

    Returns:
        The paths, sorted, each once.

    Raises:
        EmptySplitError: a pattern matches no file, or there is no pattern.

    Example:
        >>> list_files("/data/Split-train/*", "train_files")  # doctest: +SKIP
        ['/data/Split-train/data_tfrecord-00000-of-00012.gz', ...]
    """
    patterns = [patterns] if isinstance(patterns, str) else list(patterns or [])
    if not patterns:
        raise EmptySplitError(f"`{what}` is empty; give at least one file pattern.")
    found: set[str] = set()
    for pattern in patterns:
        matches = [path for path in tf.io.gfile.glob(pattern) if not tf.io.gfile.isdir(path)]
        if not matches:
            way_out = "Check the path and that the step that writes these files has run."
            if tf.io.gfile.isdir(pattern):
                files = os.path.join(pattern, "*")
                way_out = f"It is a directory: give a pattern of its files, such as {files!r}."
            raise EmptySplitError(f"`{what}`: the pattern {pattern!r} matches no file. {way_out}")
        found.update(matches)
    return sorted(found)


def resolve_compression(data_format: str | None, files: Sequence[str]) -> str:
    """Says how TFRecord files are compressed.

    Args:
        data_format: the `file_format` property of the Examples artifact, such as
            'tfrecords_gzip'; None: decided by the first bytes of the files.
        files: paths; read only when `data_format` is None.

    Returns:
        'GZIP' or '', as `tf.data.TFRecordDataset` takes it.

    Raises:
        ValueError: `data_format` is not a TFRecord format, or the files are a mix of both kinds.
    """
    if data_format is not None:
        if data_format not in _COMPRESSION_OF_FORMAT:
            raise ValueError(
                f"`data_format` is {data_format!r}, which is not a TFRecord format. Allowed: "
                f"{sorted(_COMPRESSION_OF_FORMAT)} or None (decided by the first bytes of each "
                "file). Let ExampleGen write TFRecords."
            )
        return _COMPRESSION_OF_FORMAT[data_format]
    kinds = {kind: path for path in files if (kind := _sniff_compression(path)) is not None}
    if len(kinds) > 1:
        raise ValueError(
            f"`files` mixes compressions: {kinds[GZIP]!r} is gzip, {kinds[UNCOMPRESSED]!r} is not. "
            "All files of one split must be compressed in the same way."
        )
    return next(iter(kinds), UNCOMPRESSED)


def _sniff_compression(path: str) -> str | None:
    """Returns the compression of one file by its first bytes; None for an empty file."""
    with tf.io.gfile.GFile(path, "rb") as file:
        head = file.read(len(_GZIP_MAGIC))
    if not head:
        return None
    return GZIP if head == _GZIP_MAGIC else UNCOMPRESSED


def serialized_dataset(
    files: Sequence[str],
    compression: str,
    *,
    shuffle_seed: int | None = None,
    shuffle_buffer: int = 0,
    repeat: bool = False,
) -> tf.data.Dataset:
    """Makes the stream of serialized records of some TFRecord files.

    The order depends on the arguments only, however many threads read. Without a seed it is the
    order of `files` and of the records in them; with one, files and records are shuffled anew
    in every epoch.

    Args:
        files: paths, as from `list_files`.
        compression: 'GZIP' or '', as from `resolve_compression`.
        shuffle_seed: None: no shuffling.
        shuffle_buffer: number of records to shuffle among; 0 or 1 shuffles only the files.
        repeat: True: start again at the end, for ever.

    Returns:
        A Dataset of scalar strings.

    Raises:
        ValueError: no files, unknown compression, or a shuffle buffer without a seed.
    """
    _check_stream_arguments(files, compression, shuffle_seed, shuffle_buffer)
    if shuffle_seed is None:
        dataset = tf.data.TFRecordDataset(list(files), compression_type=cast(Any, compression))
    else:
        dataset = tf.data.Dataset.from_tensor_slices(list(files))
        dataset = dataset.shuffle(len(files), seed=shuffle_seed, reshuffle_each_iteration=True)
        dataset = dataset.interleave(
            lambda path: tf.data.TFRecordDataset(path, compression_type=cast(Any, compression)),
            cycle_length=min(len(files), _MAX_PARALLEL_FILES),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        if shuffle_buffer > 1:
            dataset = dataset.shuffle(
                shuffle_buffer, seed=shuffle_seed, reshuffle_each_iteration=True
            )
    if repeat:
        dataset = dataset.repeat()
    options = tf.data.Options()
    options.deterministic = True
    return dataset.with_options(options)


def _check_stream_arguments(
    files: Sequence[str], compression: str, shuffle_seed: int | None, shuffle_buffer: int
) -> None:
    if isinstance(files, str) or not files:
        raise ValueError(f"`files` must be a list of at least one path; got {files!r}.")
    if compression not in (GZIP, UNCOMPRESSED):
        raise ValueError(f"`compression` must be 'GZIP' or ''; got {compression!r}.")
    if shuffle_buffer > 1 and shuffle_seed is None:
        raise ValueError(
            f"`shuffle_buffer` is {shuffle_buffer} but `shuffle_seed` is None; an order that "
            "cannot be repeated is not offered. Give a seed."
        )


def count_records(files: Iterable[str], compression: str, limit: int | None = None) -> int:
    """Counts the records of TFRecord files by reading them.

    Args:
        files: paths.
        compression: 'GZIP' or ''.
        limit: stop counting there; 1 answers "is there any record?" cheaply. None: count all.

    Returns:
        The number of records, at most `limit`.

    Raises:
        DataCorruptionError: a file cannot be read that far; names file, record and reason.
    """
    count = 0
    for path in files:
        try:
            for _ in iterate_records(path, compression):
                count += 1
                if limit is not None and count >= limit:
                    return count
        except tf.errors.DataLossError as error:
            raise_if_corrupt([path], compression)
            raise DataCorruptionError(f"{path}: cannot be read as TFRecord: {error}") from error
    return count


def raise_if_corrupt(files: Iterable[str], compression: str) -> None:
    """Reads all records and raises if one of the files is damaged.

    Args:
        files: paths.
        compression: 'GZIP' or ''.

    Raises:
        DataCorruptionError: names the file, the record (counted from 0) and the reason.
    """
    found = find_corrupt_record(files, compression)
    if found is not None:
        path, index, reason = found
        raise DataCorruptionError(
            f"File {path!r} is corrupt at record {index} (counted from 0): {reason}. "
            "Write this file again, or take it out of the split."
        )
