"""Schema -> a parser of batches of tf.Examples that gives dense tensors of static shape."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from tfx_tpu_estimator.errors import SchemaMismatchError
from tfx_tpu_estimator.inputs.example_check import explain_mismatch
from tfx_tpu_estimator.inputs.feature_layout import FeatureLayout, create_feature_layouts
from tfx_tpu_estimator.inputs.record_scan import iterate_records

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExampleParser:
    """Parses batches of serialized tf.Examples as a schema describes them.

    A feature becomes a tensor [batch, n] of string, int64 or float32, where n is the maximum of
    its value_count (1 if none is given), or [batch, *shape] if the schema gives a shape. Values
    that a record does not have become '', 0 or 0.0; more than n values are an error. The minimum
    of a value_count is enforced where it equals the maximum. Sparse and weighted features of the
    schema are not joined: their parts are parsed as the plain features they are.

    Attributes:
        layouts: {name: FeatureLayout} of all features parsed, the label among them.
        label_key: name of the label or None.

    Example:
        >>> parser = ExampleParser.from_schema(schema, label_key="tips")  # doctest: +SKIP
        >>> features, label = parser.parse_with_label(serialized)  # doctest: +SKIP
    """

    layouts: Mapping[str, FeatureLayout]
    label_key: str | None = None

    @classmethod
    def from_schema(
        cls,
        schema: schema_pb2.Schema,
        label_key: str | None = None,
        exclude: Collection[str] = (),
    ) -> ExampleParser:
        """Creates the parser for a schema.

        Args:
            schema: a `schema_pb2.Schema`, as from `read_schema`.
            label_key: name of the label; it is then required in every record. Default None.
            exclude: names of features to leave out. Default: none.

        Returns:
            The parser.

        Raises:
            ValueError: a name is not in the schema, or a feature cannot become a dense tensor.
        """
        return cls(layouts=create_feature_layouts(schema, label_key, exclude), label_key=label_key)

    @property
    def feature_spec(self) -> dict[str, tf.io.FixedLenFeature | tf.io.FixedLenSequenceFeature]:
        """The configuration for `tf.io.parse_example`, {name: feature}."""
        return {name: layout.to_feature_spec() for name, layout in self.layouts.items()}

    def parse(self, serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        """Parses a batch.

        Args:
            serialized: [batch] strings, each a serialized tf.Example.

        Returns:
            {name: [batch, ...]}, static but for the batch dimension; the label is among them.

        Raises:
            tf.errors.InvalidArgumentError: when run, if a record does not match the schema.
        """
        parsed: dict[str, Any] = tf.io.parse_example(serialized, self.feature_spec)
        return {name: _to_static(parsed[name], self.layouts[name]) for name in self.layouts}

    def parse_with_label(self, serialized: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Parses a batch and takes the label out of the features.

        Args:
            serialized: [batch] strings, each a serialized tf.Example.

        Returns:
            (features without the label, label), shapes as from `parse`.

        Raises:
            ValueError: the parser has no `label_key`.
        """
        if self.label_key is None:
            raise ValueError("`label_key` is None; create the parser with the name of the label.")
        features = self.parse(serialized)
        label = features.pop(self.label_key)
        return features, label

    def check_record(self, record: bytes) -> str | None:
        """Compares one record with the schema, without TensorFlow's parser.

        Args:
            record: a serialized tf.Example.

        Returns:
            What is wrong (feature, expected, got) in words, or None.
        """
        return explain_mismatch(record, self.layouts)


def _to_static(tensor: tf.Tensor, layout: FeatureLayout) -> tf.Tensor:
    """Brings [batch, as many values as the longest record has] to [batch, *layout.shape]."""
    if isinstance(layout.to_feature_spec(), tf.io.FixedLenFeature):
        return tensor
    longest = tf.shape(tensor)[1]
    check = tf.debugging.Assert(
        longest <= layout.size,
        [f"Feature `{layout.name}` may have at most {layout.size} value(s); got", longest],
    )
    # In a v1 graph nothing else would make the check run; in eager mode there is no operation.
    with tf.control_dependencies([] if check is None else [check]):
        padding = [[0, 0], [0, layout.size - longest]]
        padded = tf.pad(tensor, padding, constant_values=layout.missing_value)
    # -1 only where the batch size is not known: a TPU needs it to stay static.
    batch = tensor.shape[0]
    return tf.reshape(padded, [-1 if batch is None else batch, *layout.shape])


def find_mismatched_record(
    files: Iterable[str], compression: str, parser: ExampleParser
) -> tuple[str, int, str] | None:
    """Finds the first record that does not match the schema.

    Args:
        files: paths, searched in this order; they must be readable, see `raise_if_corrupt`.
        compression: 'GZIP' or ''.
        parser: what the records are compared with.

    Returns:
        (file, index of the record in it counted from 0, reason), or None.
    """
    for path in files:
        for index, record in enumerate(iterate_records(path, compression)):
            reason = parser.check_record(record)
            if reason is not None:
                return path, index, reason
    return None


def raise_if_mismatched(files: Iterable[str], compression: str, parser: ExampleParser) -> None:
    """Compares all records with the schema and raises if one does not match.

    Args:
        files: paths, searched in this order; they must be readable, see `raise_if_corrupt`.
        compression: 'GZIP' or ''.
        parser: what the records are compared with.

    Raises:
        SchemaMismatchError: names file, record (counted from 0), feature, expected and got.
    """
    found = find_mismatched_record(files, compression, parser)
    if found is not None:
        path, index, reason = found
        raise SchemaMismatchError(
            f"File {path!r}, record {index} (counted from 0) does not match the schema: {reason}. "
            "Correct the schema if it is too strict, or the step that wrote the record."
        )
