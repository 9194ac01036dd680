"""Logits for model_fns of the user's own: `dnn_logit_fn_builder` and `linear_logit_fn_builder`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.canned import networks, settings
from tfx_tpu_estimator.canned.columns import validate_columns, validate_features
from tfx_tpu_estimator.specs import ModeKeys


def dnn_logit_fn_builder(
    units: int,
    hidden_units: Sequence[int],
    feature_columns: Sequence[Any],
    activation_fn: Any,
    dropout: float | None,
    input_layer_partitioner: Callable | None,
    batch_norm: bool,
) -> Callable:
    """Returns a function that builds dense layers: `tf.estimator.experimental`'s builder.

    Args:
      units: Logits per example.
      hidden_units: Units of each hidden layer.
      feature_columns: Dense feature columns.
      activation_fn: Of hidden layers.
      dropout: Share of activations to drop in training, or None.
      input_layer_partitioner: Cuts embedding tables into parts, or None.
      batch_norm: Whether to normalise after each hidden layer.

    Returns:
      `dnn_logit_fn(features, mode)` returning float32 [batch, units], with variables in the current
      variable scope.

    Raises:
      ValueError: An argument is wrong; the message names it.

    Example:
      >>> column = tf.feature_column.numeric_column("x")
      >>> logit_fn = dnn_logit_fn_builder(3, [4], [column], tf.nn.relu, None, None, False)
      >>> with tf.Graph().as_default():
      ...     logit_fn({"x": tf.ones([2, 1])}, "eval").shape.as_list()
      [2, 3]
    """
    _validate_units(units)
    columns = validate_columns(feature_columns, "feature_columns", dense=True)
    widths = settings.validate_hidden_units(hidden_units, "hidden_units")
    settings.validate_dropout(dropout, "dropout")

    def dnn_logit_fn(features: Mapping[str, Any], mode: str) -> tf.Tensor:
        return networks.build_dnn_logits(
            validate_features(features),
            columns,
            units=units,
            hidden_units=widths,
            activation_fn=activation_fn,
            dropout=dropout,
            batch_norm=batch_norm,
            partitioner=input_layer_partitioner,
            training=mode == ModeKeys.TRAIN,
            tag_scope=_current_scope(),
        )

    return dnn_logit_fn


def linear_logit_fn_builder(
    units: int, feature_columns: Sequence[Any], sparse_combiner: str = "sum"
) -> Callable:
    """Returns a function that builds a weighted sum: `tf.estimator.experimental`'s builder.

    Args:
      units: Logits per example.
      feature_columns: Dense or categorical feature columns.
      sparse_combiner: How several values of a categorical column are combined: 'sum', 'mean' or
        'sqrtn'.

    Returns:
      `linear_logit_fn(features)` returning float32 [batch, units], with variables in the current
      variable scope.

    Raises:
      ValueError: An argument is wrong; the message names it.

    Example:
      >>> logit_fn = linear_logit_fn_builder(1, [tf.feature_column.numeric_column("x")])
      >>> with tf.Graph().as_default():
      ...     logit_fn({"x": tf.ones([2, 1])}).shape.as_list()
      [2, 1]
    """
    _validate_units(units)
    columns = validate_columns(feature_columns, "feature_columns", dense=False)
    settings.validate_combiner(sparse_combiner, "sparse_combiner")

    def linear_logit_fn(features: Mapping[str, Any]) -> tf.Tensor:
        return networks.build_linear_logits(
            validate_features(features),
            columns,
            units=units,
            sparse_combiner=sparse_combiner,
            tag_scope=_current_scope(),
        )

    return linear_logit_fn


def _validate_units(units: Any) -> None:
    if isinstance(units, bool) or not isinstance(units, int) or units < 1:
        raise ValueError(f"units must be an int > 0. Given type: {type(units)}, value: {units!r}.")


def _current_scope() -> str:
    """Returns the prefix of the tags of summaries made here."""
    name = tf.compat.v1.get_variable_scope().name
    return f"{name}/" if name else ""
