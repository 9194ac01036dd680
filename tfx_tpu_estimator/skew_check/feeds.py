"""Rows -> what is fed into the inputs of a signature."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.skew_check.example_rows import Row


@dataclasses.dataclass(frozen=True)
class InputSpec:
    """An input of a signature.

    Attributes:
      key: Its key.
      dtype: Its type.
      shape: Its shape, the rows included; None if its rank is not known.
    """

    key: str
    dtype: tf.DType
    shape: tuple[int | None, ...] | None

    @classmethod
    def read(cls, key: str, info: Any) -> InputSpec:
        """Reads it from a TensorInfo."""
        shape = tf.TensorShape(info.tensor_shape)
        sizes = None if shape.rank is None else tuple(shape.as_list())
        return cls(key, tf.as_dtype(info.dtype), sizes)

    @property
    def row_shape(self) -> tuple[int | None, ...] | None:
        """The shape of one example's part."""
        return None if self.shape is None else self.shape[1:]


def takes_serialized(inputs: Sequence[InputSpec], row: Row) -> bool:
    """Whether a signature takes serialized tf.Examples rather than their features.

    It does if its only input is a vector of strings, unless that is the name of a feature.
    """
    if not isinstance(row.value, bytes) or len(inputs) != 1 or inputs[0].dtype != tf.string:
        return False
    if inputs[0].shape is not None and len(inputs[0].shape) != 1:
        return False
    return inputs[0].key not in _parse(row).features.feature


def make_feeds(inputs: Sequence[InputSpec], rows: Sequence[Row]) -> dict[str, np.ndarray]:
    """Returns an array per input key.

    Args:
      inputs: Of a signature.
      rows: Examples of one batch.

    Raises:
      ValueError: An example lacks an input, or has it in another shape or type.
    """
    if takes_serialized(inputs, rows[0]):
        return {inputs[0].key: np.array([row.value for row in rows], object)}
    return {spec.key: _stack(spec, rows) for spec in inputs}


def validate_serialized(rows: Sequence[Row]) -> None:
    """Checks that serialized examples can be parsed.

    Raises:
      ValueError: One cannot; says which.
    """
    for row in rows:
        if isinstance(row.value, bytes):
            _parse(row)


def _parse(row: Row) -> Any:
    try:
        return tf.train.Example.FromString(row.value)
    except Exception as error:  # protobuf's DecodeError differs between its implementations
        raise ValueError(
            f"`examples`: {row.describe()} is no tf.Example: {error}. Give files of tf.Examples."
        ) from error


def _stack(spec: InputSpec, rows: Sequence[Row]) -> np.ndarray:
    if spec.shape == ():
        return _one_value(spec, rows)
    values = [_value_of(spec, row) for row in rows]
    shapes = {value.shape: row for value, row in zip(values, rows, strict=True)}
    if len(shapes) > 1:
        raise ValueError(
            f"`examples`: input {spec.key!r} has different shapes, "
            + " and ".join(f"{list(shape)} in {row.describe()}" for shape, row in shapes.items())
            + ". One batch needs one shape: pad them, or export a model that takes tf.Examples."
        )
    return np.stack(values)


def _value_of(spec: InputSpec, row: Row) -> np.ndarray:
    if isinstance(row.value, bytes):
        return _from_feature(spec, row)
    if spec.key not in row.value:
        raise _lacks_error(spec, row, list(row.value))
    try:
        value = _convert(spec, np.asarray(row.value[spec.key]))
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"`examples`: input {spec.key!r} of {row.describe()} is no {spec.dtype.name}: {error}."
        ) from error
    wanted = spec.row_shape
    if wanted is not None and not tf.TensorShape(wanted).is_compatible_with(value.shape):
        raise ValueError(
            f"`examples`: input {spec.key!r} of {row.describe()} has shape {list(value.shape)}; "
            f"the signature takes {list(wanted)} of each example."
        )
    return value


def _from_feature(spec: InputSpec, row: Row) -> np.ndarray:
    features = _parse(row).features.feature
    if spec.key not in features:
        raise _lacks_error(spec, row, list(features))
    kind = features[spec.key].WhichOneof("kind") or "float_list"
    values = list(getattr(features[spec.key], kind).value)
    shape = [-1 if size is None else size for size in spec.row_shape or ()]
    if spec.shape is None or shape.count(-1) > 1:
        shape = [-1]
    try:
        return _convert(spec, np.array(values, object)).reshape(shape)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"`examples`: feature {spec.key!r} of {row.describe()} has {len(values)} values of "
            f"{kind}; the signature takes {spec.dtype.name} {list(spec.row_shape or ())} of each "
            "example."
        ) from error


def _convert(spec: InputSpec, value: np.ndarray) -> np.ndarray:
    if spec.dtype == tf.string:
        encode = np.vectorize(lambda v: v.encode() if isinstance(v, str) else bytes(v), "O")
        if value.size and not isinstance(value.flat[0], str | bytes):
            raise TypeError(f"got {value.dtype}")
        return encode(value) if value.size else value.astype(object)
    if value.size and isinstance(value.flat[0], str | bytes):
        raise TypeError("got strings")
    return value.astype(spec.dtype.as_numpy_dtype)


def _one_value(spec: InputSpec, rows: Sequence[Row]) -> np.ndarray:
    """Returns the value of an input that is the same for all examples."""
    values = [_value_of(dataclasses.replace(spec, shape=(None,)), row) for row in rows]
    if any(value.shape != () or value != values[0] for value in values):
        raise ValueError(
            f"`examples`: input {spec.key!r} is one scalar for a whole batch; give the same for "
            "all examples."
        )
    return values[0]


def _lacks_error(spec: InputSpec, row: Row, present: list[str]) -> ValueError:
    return ValueError(
        f"`examples`: {row.describe()} lacks {spec.key!r}, which the signature takes; it has "
        f"{', '.join(sorted(present)) or 'nothing'}."
    )
