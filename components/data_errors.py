"""Turns TensorFlow's errors about bad data into one that names the file and the record."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from tfx_tpu_estimator.errors import DataCorruptionError, SchemaMismatchError
from tfx_tpu_estimator.inputs import example_parsing, schema, tfrecord

from .examples import SplitFiles, list_split_files, resolve_compression

_DATA_ERRORS = (tf.errors.DataLossError, tf.errors.InvalidArgumentError)


@contextlib.contextmanager
def explain_data_errors(
    *splits: SplitFiles,
    schema_path: str | None = None,
    label_key: str | None = None,
    parsed_by_schema: bool = True,
    errors: tuple[type[Exception], ...] = _DATA_ERRORS,
) -> Iterator[None]:
    """Looks for the bad record after the enclosed code failed on its data.

    Args:
        *splits: The files the enclosed code reads.
        schema_path: The schema records must match; None leaves that check out.
        label_key: Name of the label feature.
        parsed_by_schema: Whether the enclosed code parses by the schema. Where it parses in a way
            of its own, records are compared with the schema only if parsing is what failed.
        errors: What may be about data; other exceptions pass unchanged.

    Raises:
        DataCorruptionError: If a file cannot be read to its end.
        SchemaMismatchError: If a record does not match the schema.
    """
    try:
        yield
    except (DataCorruptionError, SchemaMismatchError):
        raise
    except errors as error:
        if not parsed_by_schema and "ParseExample" not in str(error):
            schema_path = None
        cause = find_data_error(splits, schema_path, label_key)
        if cause is None:
            raise
        raise cause from error


def find_data_error(
    splits: tuple[SplitFiles, ...], schema_path: str | None, label_key: str | None
) -> DataCorruptionError | SchemaMismatchError | None:
    """Reads all records of `splits` and returns the first fault as an error, or None."""
    parser = None
    if schema_path is not None:
        parser = example_parsing.ExampleParser.from_schema(
            schema.read_schema(schema_path), label_key=label_key
        )
    for split in splits:
        files, compression = list_split_files(split), resolve_compression(split)
        try:
            tfrecord.raise_if_corrupt(files, compression)
            if parser is not None:
                example_parsing.raise_if_mismatched(files, compression, parser)
        except (DataCorruptionError, SchemaMismatchError) as error:
            return error
    return None
