"""Raw examples through a graph of TensorFlow Transform, batch by batch."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from tfx_tpu_estimator.inputs.record_scan import iterate_records

from .examples import SplitFiles, list_split_files, resolve_compression
from .transform_receiver import read_raw_spec
from .transformed_examples import TransformSource

tf1 = tf.compat.v1

_BATCH = 1024


def list_made(source: TransformSource) -> set[str]:
    """Returns the features that a graph makes."""
    return set(tft.TFTransformOutput(source.path).transformed_feature_spec())


def list_raw(source: TransformSource) -> set[str]:
    """Returns the features that a graph makes others of."""
    output = tft.TFTransformOutput(source.path)
    return set(read_raw_spec(output, source.path, source.schema_path))


def are_transformed(source: TransformSource, files: SplitFiles) -> bool:
    """Whether the first of some examples has what the graph makes, rather than raw features."""
    compression = resolve_compression(files)
    for file in list_split_files(files):
        record = next(iterate_records(file, compression), None)
        if record is not None:
            names = set(tf.train.Example.FromString(record).features.feature)
            return names <= list_made(source) and not names <= list_raw(source)
    return False


class GraphTransformer:
    """A transform graph in a session of its own.

    Args:
        source: The graph.

    Example:
        with GraphTransformer(TransformSource(uri)) as transformer:
            features = transformer.transform(records)
    """

    def __init__(self, source: TransformSource):
        with tf.Graph().as_default() as graph:
            output = tft.TFTransformOutput(source.path)
            self._serialized = tf1.placeholder(tf.string, [None])
            spec = read_raw_spec(output, source.path, source.schema_path)
            parsed = tf.io.parse_example(self._serialized, spec)
            self._made = dict(output.transform_raw_features(parsed))
            # Vocabularies are tables.
            ready = [tf1.global_variables_initializer(), tf1.tables_initializer()]
        self._session = tf1.Session(graph=graph)
        self._session.run(ready)

    def __enter__(self) -> GraphTransformer:
        return self

    def __exit__(self, *details: object) -> None:
        self._session.close()

    def transform(self, records: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the features that the graph makes of a batch.

        Args:
            records: [n] serialized raw tf.Examples.

        Returns:
            By name [n, ...]; [n, longest] objects None where examples have fewer values.
        """
        found = self._session.run(self._made, {self._serialized: records})
        return {name: _to_dense(value) for name, value in found.items()}


def write_transformed(source: TransformSource, files: SplitFiles, folder: str) -> SplitFiles:
    """Transforms raw examples.

    Args:
        source: The graph.
        files: Raw examples.
        folder: Where the transformed ones go; it exists.

    Returns:
        The transformed examples, in the order of the raw ones.
    """
    target = os.path.join(folder, "transformed.gz")
    with GraphTransformer(source) as transformer, tf.io.TFRecordWriter(target, "GZIP") as writer:
        for records in _read_batches(files):
            features = transformer.transform(records)
            for row in range(len(records)):
                writer.write(_serialize({name: value[row] for name, value in features.items()}))
    return dataclasses.replace(
        files, patterns=(os.path.join(folder, "*.gz"),), data_format="tfrecords_gzip"
    )


def _read_batches(files: SplitFiles) -> Iterator[np.ndarray]:
    compression = resolve_compression(files)
    records = itertools.chain.from_iterable(
        iterate_records(file, compression) for file in list_split_files(files)
    )
    while batch := list(itertools.islice(records, _BATCH)):
        yield np.array(batch, object)


def _to_dense(value: Any) -> np.ndarray:
    if isinstance(value, tf1.SparseTensorValue):
        dense = np.full(value.dense_shape, None, object)
        dense[tuple(np.asarray(value.indices).T)] = value.values
        return dense
    return value


def _serialize(features: Mapping[str, Any]) -> bytes:
    made = {}
    for name, value in features.items():
        values = [item for item in np.ravel(value).tolist() if item is not None]
        if values and isinstance(values[0], bytes):
            made[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        elif values and isinstance(values[0], int):
            made[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        elif values:
            made[name] = tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Example(features=tf.train.Features(feature=made)).SerializeToString()
