"""Names the file and the record behind TensorFlow's errors about data."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import tensorflow as tf

from tfx_tpu_estimator.inputs import example_parsing, schema, tfrecord

_DATA_ERRORS = (tf.errors.DataLossError, tf.errors.InvalidArgumentError)


@contextlib.contextmanager
def explain_data_errors(
    patterns: Sequence[str], schema_path: str, label_key: str, *, labelled: bool = True
) -> Iterator[None]:
    """Looks for the bad record after the enclosed code failed on data that the schema parses.

    Args:
        patterns: File patterns of what the enclosed code reads.
        schema_path: The schema that records must match.
        label_key: Name of the label feature.
        labelled: Whether records must have the label.

    Raises:
        DataCorruptionError: If a file cannot be read to its end.
        SchemaMismatchError: If a record does not match the schema.

    Example:
        with explain_data_errors(["data/train-*"], "schema.pbtxt", "label"):
            estimator.train(input_fn)
    """
    try:
        yield
    except _DATA_ERRORS as error:
        files = tfrecord.list_files(patterns)
        compression = tfrecord.resolve_compression(None, files)
        parser = example_parsing.ExampleParser.from_schema(
            schema.read_schema(schema_path),
            label_key=label_key if labelled else None,
            exclude=() if labelled else (label_key,),
        )
        try:
            tfrecord.raise_if_corrupt(files, compression)
            example_parsing.raise_if_mismatched(files, compression, parser)
        except ValueError as cause:
            raise cause from error
        raise
