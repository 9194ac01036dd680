"""Says in words how one serialized tf.Example differs from what a schema expects."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import tensorflow as tf
from google.protobuf.message import DecodeError

from tfx_tpu_estimator.inputs.feature_layout import FeatureLayout

_LIST_OF_DTYPE = {tf.string: "bytes_list", tf.int64: "int64_list", tf.float32: "float_list"}
_WORD_OF_LIST = {"bytes_list": "bytes", "int64_list": "int", "float_list": "float"}


def explain_mismatch(record: bytes, layouts: Mapping[str, FeatureLayout]) -> str | None:
    """Compares one record with the layouts of its features.

    Args:
        record: a serialized tf.Example.
        layouts: {name: FeatureLayout}; other features of the record are not looked at.

    Returns:
        What is wrong, or None.
    """
    example = _decode_example(record)
    if example is None:
        return f"its {len(record)} bytes are not a serialized tf.Example"
    for name, layout in layouts.items():
        reason = _explain_feature(example, name, layout)
        if reason is not None:
            return f"feature {name!r}: {reason}"
    return None


def _decode_example(record: bytes) -> tf.train.Example | None:
    example = tf.train.Example()
    with warnings.catch_warnings(record=True) as caught:
        # Some protobuf versions only warn about bytes that are left over.
        warnings.simplefilter("always")
        try:
            example.ParseFromString(record)
        except DecodeError:
            return None
    return None if caught else example


def _explain_feature(example: tf.train.Example, name: str, layout: FeatureLayout) -> str | None:
    expected = _WORD_OF_LIST[_LIST_OF_DTYPE[layout.dtype]]
    # Not [name], which would create an entry.
    feature = example.features.feature.get(name)
    kind = feature.WhichOneof("kind") if feature is not None else None
    if kind is None:
        return f"expected {layout.size} {expected} value(s), got none" if layout.required else None
    count = len(getattr(feature, kind).value)
    if kind != _LIST_OF_DTYPE[layout.dtype]:
        return f"expected {expected} values, got {count} {_WORD_OF_LIST[kind]} value(s)"
    fixed = layout.required or layout.exact
    if fixed and count != layout.size:
        return f"expected exactly {layout.size} {expected} value(s), got {count}"
    if count > layout.size:
        return f"expected at most {layout.size} {expected} value(s), got {count}"
    return None
