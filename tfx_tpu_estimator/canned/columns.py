"""Feature columns: checked, and turned into the input of a network or a linear model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

_v1_columns = tf.compat.v1.feature_column


def validate_columns(feature_columns: Any, name: str, *, dense: bool) -> tuple:
    """Checks feature columns before anything is built.

    Args:
      feature_columns: An iterable of feature columns.
      name: Of the argument, for messages.
      dense: Whether categorical columns are refused: a network takes numbers only.

    Returns:
      The columns.

    Raises:
      ValueError: There are none, one is no feature column, or two have the same name.
    """
    if isinstance(feature_columns, str) or _is_column(feature_columns):
        raise ValueError(
            f"Items of feature_columns must be feature columns; `{name}` must be a list of them, "
            f"got {feature_columns!r}."
        )
    if feature_columns is not None and not isinstance(feature_columns, Iterable):
        raise ValueError(f"`{name}` must be a list of feature columns; got {feature_columns!r}.")
    columns = tuple(feature_columns or ())
    if not columns:
        raise ValueError(
            f"feature_columns must not be empty. Give `{name}`, such as "
            "[tf.feature_column.numeric_column('x')]."
        )
    seen: dict[str, Any] = {}
    for column in columns:
        _validate_column(column, name, dense)
        if column.name in seen:
            raise ValueError(
                f"Duplicate feature column name found for columns: {seen[column.name]!r} and "
                f"{column!r} in `{name}`. Leave one out, or make it of another feature."
            )
        seen[column.name] = column
    return columns


def validate_features(features: Any) -> Mapping[str, Any]:
    """Returns the features, if columns can be looked up in them.

    Raises:
      ValueError: They are not a dict.
    """
    if not isinstance(features, Mapping):
        raise ValueError(
            f"features should be a dictionary of `Tensor`s. Given type: {type(features)}. Let the "
            "input_fn return ({'<column key>': tensor, ...}, labels)."
        )
    return features


def build_input_layer(
    features: Mapping[str, Any], columns: tuple, partitioner: Any, *, training: bool
) -> tf.Tensor:
    """Returns the values of dense columns beside each other, float32 [batch, n].

    Args:
      features: By name.
      columns: What `validate_columns` returned.
      partitioner: Of embedding tables.
      training: Whether the model is built to be trained.
    """
    with tf.compat.v1.variable_scope("input_from_feature_columns", partitioner=partitioner):
        # Columns of TensorFlow 1 alone, such as its shared embeddings, work only with functions of
        # TensorFlow 1, and shared embeddings of TensorFlow 2 only with Keras's layer; of the others
        # both make the same variables.
        if not any(_needs_keras(column) for column in columns):
            return _v1_columns.input_layer(dict(features), list(columns))
        layer = tf.compat.v1.keras.layers.DenseFeatures(list(columns), name="input_layer")
        return layer(dict(features), training=training)


def build_linear_model(
    features: Mapping[str, Any], columns: tuple, units: int, sparse_combiner: str
) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
    """Returns the weighted sum of the columns.

    Args:
      features: By name.
      columns: What `validate_columns` returned.
      units: Numbers per example.
      sparse_combiner: How several values of a categorical column are combined: 'sum', 'mean' or
        'sqrtn'.

    Returns:
      float32 [batch, units], the bias [units], and the weights.
    """
    variables: dict[Any, Any] = {}
    logits = _v1_columns.linear_model(
        dict(features),
        list(columns),
        units=units,
        sparse_combiner=sparse_combiner,
        cols_to_vars=variables,
    )
    (bias,) = _flatten(variables.pop("bias"))
    return logits, bias, [v for found in variables.values() for v in _flatten(found)]


def _flatten(variables: Any) -> list[tf.Tensor]:
    """Returns the parts of variables, which may be partitioned."""
    if not isinstance(variables, list | tuple):
        variables = [variables]
    parts: list[tf.Tensor] = []
    for variable in variables:
        parts += [variable] if isinstance(variable, tf.Variable) else list(variable)
    return parts


def _is_column(value: Any) -> bool:
    return hasattr(value, "name") and (
        hasattr(value, "parse_example_spec") or hasattr(value, "_parse_example_spec")
    )


def _is_dense(column: Any) -> bool:
    return hasattr(column, "variable_shape") or hasattr(column, "_variable_shape")


def _needs_keras(column: Any) -> bool:
    return hasattr(column, "shared_embedding_column_creator")


def _validate_column(column: Any, name: str, dense: bool) -> None:
    if not _is_column(column):
        raise ValueError(
            "Items of feature_columns must be feature columns (tf.feature_column.*). Given "
            f"(type {type(column)}): {column!r} in `{name}`."
        )
    if dense and not _is_dense(column):
        raise ValueError(
            "Items of feature_columns must be a DenseColumn. You can wrap a categorical column "
            f"with an embedding_column or indicator_column. Given: {column!r} in `{name}`."
        )
