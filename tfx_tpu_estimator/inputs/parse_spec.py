"""Specifications for parsing tf.Examples into features, label and weight."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

_FeatureSpec = dict[str, Any]


def classifier_parse_example_spec(
    feature_columns: Iterable[Any],
    label_key: str,
    label_dtype: tf.DType = tf.int64,
    label_default: Any = None,
    weight_column: Any = None,
) -> _FeatureSpec:
    """Returns what `tf.io.parse_example` needs to read examples for a classifier.

    Args:
        feature_columns: Columns of tf.feature_column.
        label_key: Feature of the tf.Examples that is the label.
        label_dtype: int64, or string with a label vocabulary.
        label_default: Label of examples without one; None makes that an error.
        weight_column: Feature of the weights: its name, or a numeric column.

    Returns:
        Specifications by feature; the label is [1].

    Raises:
        ValueError: If the label or the weight is a feature, too, or `weight_column` is another
            kind of column.

    Example:
        >>> column = tf.feature_column.numeric_column("age")
        >>> sorted(classifier_parse_example_spec([column], label_key="y", weight_column="w"))
        ['age', 'w', 'y']
    """
    label = tf.io.FixedLenFeature((1,), label_dtype, label_default)
    return _add_label_and_weight(feature_columns, label_key, label, weight_column)


def regressor_parse_example_spec(
    feature_columns: Iterable[Any],
    label_key: str,
    label_dtype: tf.DType = tf.float32,
    label_default: Any = None,
    label_dimension: int = 1,
    weight_column: Any = None,
) -> _FeatureSpec:
    """Returns what `tf.io.parse_example` needs to read examples for a regressor.

    Args:
        feature_columns: Columns of tf.feature_column.
        label_key: Feature of the tf.Examples that is the label.
        label_dtype: A number type.
        label_default: Label of examples without one; None makes that an error.
        label_dimension: Numbers of a label.
        weight_column: Feature of the weights: its name, or a numeric column.

    Returns:
        Specifications by feature; the label is [label_dimension].

    Raises:
        ValueError: As `classifier_parse_example_spec` does.
    """
    label = tf.io.FixedLenFeature((label_dimension,), label_dtype, label_default)
    return _add_label_and_weight(feature_columns, label_key, label, weight_column)


def _add_label_and_weight(
    feature_columns: Iterable[Any], label_key: str, label: Any, weight_column: Any
) -> _FeatureSpec:
    columns = list(feature_columns)
    # Version 1's function takes shared columns of version 1, and all others but those of version 2.
    is_v2 = all(hasattr(column, "parse_example_spec") for column in columns)
    version = tf.feature_column if is_v2 else tf.compat.v1.feature_column
    spec = dict(version.make_parse_example_spec(columns))
    if label_key is None:
        raise ValueError("`label_key` must be given: the feature that is the label.")
    if label_key in spec:
        raise ValueError(
            f"label should not be used as feature. `label_key` is {label_key!r}, the features are "
            f"{sorted(spec)}."
        )
    features = set(spec)
    spec[label_key] = label
    if weight_column is None:
        return spec
    if isinstance(weight_column, str):
        weight_column = tf.feature_column.numeric_column(weight_column)
    if not isinstance(weight_column, type(tf.feature_column.numeric_column("_"))):
        raise ValueError(
            "`weight_column` should be an instance of tf.feature_column.numeric_column or a "
            f"string, got {weight_column!r}."
        )
    if weight_column.key in spec:
        raise ValueError(
            f"`weight_column` should not be used as feature: {weight_column.key!r} is in "
            f"{sorted(features | {label_key})}."
        )
    return {**spec, **weight_column.parse_example_spec}
