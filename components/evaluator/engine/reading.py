"""Serialized tf.Examples, batch by batch, and the columns of them that are asked for."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders import example_coder

from tfx_tpu_estimator.inputs import tfrecord

from .tfma_names import util

tf1 = tf.compat.v1

_KINDS = {"int64": schema_pb2.INT, "float": schema_pb2.FLOAT, "binary": schema_pb2.BYTES}


def read_batches(
    files: Sequence[str], compression: str, batch_size: int
) -> Generator[np.ndarray, None, None]:
    """Yields the records of TFRecord files in order.

    Args:
        files: Paths.
        compression: 'GZIP' or ''.
        batch_size: Records in each batch but the last.

    Yields:
        [n] objects: bytes.
    """
    # A graph of its own: whoever called may have turned eager execution off.
    with tf.Graph().as_default() as graph:
        data = tfrecord.serialized_dataset(list(files), compression)
        data = data.batch(batch_size).prefetch(tf.data.AUTOTUNE)
        batch = tf1.data.make_one_shot_iterator(data).get_next()
    # Not entered: between two batches its graph would be the caller's default graph.
    session = tf1.Session(graph=graph)
    try:
        while True:
            try:
                records = session.run(batch)
            except tf.errors.OutOfRangeError:
                return
            yield records
    finally:
        session.close()


class ColumnDecoder:
    """Decodes the columns that are wanted, and no more than these once their types are known.

    Args:
        names: The columns; None for all.
    """

    def __init__(self, names: Collection[str] | None):
        self._names = None if names is None else sorted(names)
        self._any = example_coder.ExamplesToRecordBatchDecoder()
        self._typed: example_coder.ExamplesToRecordBatchDecoder | None = None

    def decode(self, records: np.ndarray) -> dict[str, pa.Array]:
        """Returns the columns of a batch.

        Args:
            records: [n] serialized tf.Examples.

        Returns:
            Lists of values by example. Columns that no example has are left out.

        Raises:
            ValueError: If a record is no tf.Example, or a feature's type changes within a batch.
        """
        if self._names is not None and not self._names:
            return {}
        examples = records.tolist()
        try:
            batch = self._decode(examples)
        except RuntimeError as error:
            raise ValueError(f"`examples` cannot be read as tf.Examples: {error}.") from error
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        wanted = columns if self._names is None else self._names
        found = {name: columns[name] for name in wanted if name in columns}
        found = {name: column for name, column in found.items() if _has_values(column)}
        if self._typed is None and self._names is not None and len(found) == len(self._names):
            self._typed = _make_typed_decoder(found)
        return found

    def _decode(self, examples: list[bytes]) -> pa.RecordBatch:
        if self._typed is not None:
            try:
                return self._typed.DecodeBatch(examples)
            except RuntimeError:
                # A feature may have another type from here on.
                self._typed = None
        return self._any.DecodeBatch(examples)


def to_values(columns: Mapping[str, pa.Array]) -> dict[str, Any]:
    """Turns columns into what TensorFlow Model Analysis holds in `features`.

    Returns:
        By name, [n, length] where all examples have as many values, else a value of TFMA's for
        lists of differing lengths.
    """
    values: dict[str, Any] = {}
    for name, column in columns.items():
        lengths = pa.compute.unique(column.value_lengths())
        if len(lengths) == 1 and lengths[0].as_py():
            flat = column.flatten()
            array = flat.to_numpy(zero_copy_only=False)
            values[name] = array.reshape([len(column), lengths[0].as_py()])
        else:
            record_batch = pa.RecordBatch.from_arrays([column], [name])
            found: Any = util.record_batch_to_tensor_values(record_batch)
            values.update(found)
    return values


def to_columns(
    values: Mapping[str, Any], count: int, origin: str = "`add_features`"
) -> dict[str, pa.Array]:
    """Turns features that somebody made into columns.

    Args:
        values: [n] or [n, length] numbers or bytes by feature; None counts as no value.
        count: n.
        origin: Who made them, for the error message.

    Raises:
        ValueError: If a feature has other than one row for each example.
    """
    columns = {}
    for name, value in values.items():
        array = np.asarray(value)
        if array.shape[:1] != (count,) or array.ndim > 2:
            raise ValueError(
                f"{origin} made {name!r} of the shape {array.shape} for {count} examples; "
                "it must be [examples] or [examples, length]."
            )
        if array.dtype.kind in "bu":
            array = array.astype(np.int64)
        rows = array.reshape([count, -1])
        known = np.ones(rows.shape, bool)
        if array.dtype == object:
            known = np.frompyfunc(lambda value: value is not None, 1, 1)(rows).astype(bool)
        if known.any():
            offsets = np.concatenate([[0], np.cumsum(known.sum(axis=1))])
            columns[name] = pa.LargeListArray.from_arrays(offsets, pa.array(rows[known]))
    return columns


def _has_values(column: pa.Array) -> bool:
    return not pa.types.is_null(column.type) and not pa.types.is_null(column.type.value_type)


def _make_typed_decoder(columns: Mapping[str, pa.Array]):
    schema = schema_pb2.Schema()
    for name, column in columns.items():
        kind = str(column.type.value_type).removeprefix("large_")
        schema.feature.add(name=name, type=_KINDS[kind])
    return example_coder.ExamplesToRecordBatchDecoder(schema.SerializeToString())
