"""One feature of a schema -> the shape and type of its tensor, and what a record must hold."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection
from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

# Lifecycle stages of features that exist in the schema but are not to be used.
_UNUSED_STAGES = ("PLANNED", "ALPHA", "DEPRECATED", "DISABLED", "DEBUG_ONLY")
_DTYPE_OF_TYPE = {"BYTES": tf.string, "INT": tf.int64, "FLOAT": tf.float32}
_MISSING_VALUE = {tf.string: "", tf.int64: 0, tf.float32: 0.0}


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureLayout:
    """What one feature looks like in a record and in a batch.

    Attributes:
        name: key of the feature.
        dtype: tf.string, tf.int64 or tf.float32.
        shape: shape of one example, without the batch dimension.
        required: every record must have it, with exactly `size` values.
        exact: a record that has it must give exactly `size` values; otherwise fewer are filled up.
    """

    name: str
    dtype: tf.DType
    shape: tuple[int, ...]
    required: bool
    exact: bool

    @property
    def size(self) -> int:
        """Number of values of one example."""
        return math.prod(self.shape)

    @property
    def missing_value(self) -> str | int | float:
        """What stands in for a value that a record does not have."""
        return _MISSING_VALUE[self.dtype]

    def to_feature_spec(self) -> tf.io.FixedLenFeature | tf.io.FixedLenSequenceFeature:
        """Returns the configuration for `tf.io.parse_example`."""
        if self.required:
            return tf.io.FixedLenFeature(self.shape, self.dtype)
        if self.exact:
            default = [self.missing_value] * self.size
            return tf.io.FixedLenFeature(self.shape, self.dtype, default)
        # Unlike FixedLenFeature this takes a list without values, and fewer than `size` of them.
        return tf.io.FixedLenSequenceFeature(
            [], self.dtype, allow_missing=True, default_value=self.missing_value
        )


def create_feature_layouts(
    schema: schema_pb2.Schema, label_key: str | None = None, exclude: Collection[str] = ()
) -> dict[str, FeatureLayout]:
    """Works out the layout of every feature that is to be parsed.

    Features that are not in use, by their lifecycle stage (deprecated, planned, ...), are left out.

    Args:
        schema: a `schema_pb2.Schema`.
        label_key: name of the label, which is required in every record whatever the schema says:
            a missing label must never count as 0.
        exclude: names of features to leave out.

    Returns:
        {name: FeatureLayout}, in the order of the schema.

    Raises:
        ValueError: `label_key` or a name in `exclude` is not in the schema, or a feature cannot
            become a dense tensor.
    """
    names = [feature.name for feature in schema.feature]
    if label_key is not None and (label_key not in names or label_key in exclude):
        raise ValueError(f"`label_key` is {label_key!r}; the schema has the features {names}.")
    unknown = sorted(set(exclude) - set(names))
    if unknown:
        raise ValueError(f"`exclude` names {unknown}; the schema has the features {names}.")
    layouts = {}
    for feature in schema.feature:
        if feature.name in exclude or not _is_in_use(feature):
            continue
        layouts[feature.name] = _create_layout(feature, is_label=feature.name == label_key)
    if not layouts:
        raise ValueError("`schema`: no feature is left to parse.")
    return layouts


def _is_in_use(feature: schema_pb2.Feature) -> bool:
    from tensorflow_metadata.proto.v0 import schema_pb2

    stage = schema_pb2.LifecycleStage.Name(feature.lifecycle_stage)
    return not feature.deprecated and stage not in _UNUSED_STAGES


def _create_layout(feature: schema_pb2.Feature, is_label: bool) -> FeatureLayout:
    shape, fixed_count = _find_shape(feature)
    in_every_record = feature.presence.min_fraction >= 1.0
    size = math.prod(shape)
    return FeatureLayout(
        name=feature.name,
        dtype=_find_dtype(feature),
        shape=shape,
        required=is_label or (fixed_count and in_every_record),
        # A list with no values stands for "missing" where one value is expected.
        exact=fixed_count and size != 1,
    )


def _find_dtype(feature: schema_pb2.Feature) -> tf.DType:
    from tensorflow_metadata.proto.v0 import schema_pb2

    name = schema_pb2.FeatureType.Name(feature.type)
    if name not in _DTYPE_OF_TYPE:
        raise ValueError(
            f"`schema`: feature {feature.name!r} has type {name}; allowed: "
            f"{sorted(_DTYPE_OF_TYPE)}. Exclude it, or write the input function yourself."
        )
    return _DTYPE_OF_TYPE[name]


def _find_shape(feature: schema_pb2.Feature) -> tuple[tuple[int, ...], bool]:
    """Returns (shape of one example, whether the number of values is fixed)."""
    kind = feature.WhichOneof("shape_type")
    if kind == "shape":
        dims = tuple(dim.size for dim in feature.shape.dim)
        if any(size <= 0 for size in dims):
            raise ValueError(
                f"`schema`: feature {feature.name!r} has shape {dims}; every dimension must have "
                "a fixed positive size, because a TPU needs static shapes."
            )
        return dims, True
    if kind == "value_counts":
        raise ValueError(
            f"`schema`: feature {feature.name!r} has nested value_counts, which are no dense "
            "tensor. Exclude it, or write the input function yourself."
        )
    low, high = feature.value_count.min, feature.value_count.max
    return (max(high or low, 1),), 0 < low == high
