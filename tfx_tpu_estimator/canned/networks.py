"""The parts models are made of: hidden layers, a linear model, a bias; features in, logits out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.canned.column_layers import build_input_layer, build_linear_model
from tfx_tpu_estimator.canned.layers import build_dense, normalize_batch

_MIN_SLICE_BYTES = 64 << 20


def default_partitioner(config: Any) -> Callable:
    """Returns how layers are cut over parameter servers, of which a process alone has none.

    Even then every variable has one part, from whose name slots get theirs in checkpoints.
    """
    return tf.compat.v1.min_max_variable_partitioner(max_partitions=_count_servers(config))


def default_table_partitioner(config: Any) -> Callable:
    """Returns how embedding tables and linear weights are cut over parameter servers."""
    return tf.compat.v1.min_max_variable_partitioner(
        max_partitions=_count_servers(config), min_slice_size=_MIN_SLICE_BYTES
    )


def build_dnn_logits(
    features: Mapping[str, Any],
    columns: tuple,
    *,
    units: int,
    hidden_units: Sequence[int],
    activation_fn: Callable | str | None,
    dropout: float | None,
    batch_norm: bool,
    partitioner: Any,
    training: bool,
    tag_scope: str | None,
    on_devices: bool = False,
) -> tf.Tensor:
    """Builds dense layers on the columns, in the current variable scope.

    Each hidden layer is dense, activation, dropout (in training), batch normalisation.

    Args:
      features: By name.
      columns: Dense columns.
      units: Logits per example.
      hidden_units: Units of each hidden layer.
      activation_fn: Of hidden layers.
      dropout: Share of the activations to drop, or None.
      batch_norm: Whether to normalise the activations.
      partitioner: Of embedding tables.
      training: Whether the model is built to be trained.
      tag_scope: Prefix of the tags of summaries; None for no summaries.
      on_devices: Whether it is built for devices.

    Returns:
      Logits, float32 [batch, units].
    """
    net = build_input_layer(features, columns, partitioner, on_devices=on_devices)
    for index, width in enumerate(hidden_units):
        name = f"hiddenlayer_{index}"
        net = build_dense(net, int(width), activation_fn, name)
        if dropout is not None and training:
            net = tf.nn.dropout(net, rate=dropout)
        if batch_norm:
            with tf.compat.v1.variable_scope(name):
                net = normalize_batch(net, f"batchnorm_{index}", training=training)
        add_layer_summaries(net, tag_scope, name)
    logits = build_dense(net, units, None, "logits")
    add_layer_summaries(logits, tag_scope, "logits")
    return logits


def build_linear_logits(
    features: Mapping[str, Any],
    columns: tuple,
    *,
    units: int,
    sparse_combiner: str,
    tag_scope: str | None,
) -> tf.Tensor:
    """Builds a linear model of the columns, in the current variable scope.

    Args:
      features: By name.
      columns: Dense or categorical columns.
      units: Logits per example.
      sparse_combiner: As for `build_linear_model`.
      tag_scope: Prefix of the tags of summaries; None for no summaries.

    Returns:
      Logits, float32 [batch, units].
    """
    logits, bias, weights = build_linear_model(features, columns, units, sparse_combiner)
    if tag_scope is not None:
        _add_linear_summaries(bias, weights, tag_scope)
    return logits


def build_baseline_logits(features: Mapping[str, Any], units: int, weight_column: Any) -> tf.Tensor:
    """Builds logits that are the same for every example: a bias, learned from the labels.

    Args:
      features: By name; they say how many examples there are.
      units: Logits per example.
      weight_column: Names a feature that is not looked at.

    Returns:
      Logits, float32 [batch, units].

    Raises:
      ValueError: There is no feature to count examples by.
    """
    skipped = getattr(weight_column, "key", weight_column)
    counted = [value for key, value in features.items() if key != skipped] or [*features.values()]
    if not counted:
        raise ValueError(
            "features must not be empty: they say how many examples there are. Return at least one "
            "from the input_fn."
        )
    with tf.compat.v1.variable_scope("baseline"):
        bias = tf.compat.v1.get_variable(
            "bias", [units], initializer=tf.compat.v1.zeros_initializer()
        )
    with tf.control_dependencies(_check_same_rows(counted)):
        return bias * tf.ones(tf.stack([_count_rows(counted[0]), units]))


def add_layer_summaries(value: tf.Tensor, tag_scope: str | None, name: str) -> None:
    """Makes the summaries of one layer: how many of its outputs are zero, and their histogram.

    Args:
      value: What the layer returns.
      tag_scope: Prefix of their tags; None for no summaries.
      name: Of the layer.
    """
    if tag_scope is None:
        return
    with _root_names():
        share = tf.math.zero_fraction(value)
        tf.compat.v1.summary.scalar(f"{tag_scope}{name}/fraction_of_zero_values", share)
        tf.compat.v1.summary.histogram(f"{tag_scope}{name}/activation", value)


def _add_linear_summaries(bias: tf.Tensor, weights: list[tf.Tensor], tag_scope: str) -> None:
    with _root_names():
        if bias.shape.num_elements() == 1:
            tf.compat.v1.summary.scalar(f"{tag_scope}bias", tf.reshape(bias, []))
        else:
            tf.compat.v1.summary.histogram(f"{tag_scope}bias", bias)
        share = tf.math.zero_fraction(tf.concat([tf.reshape(w, [-1]) for w in weights], axis=0))
        tf.compat.v1.summary.scalar(f"{tag_scope}fraction_of_zero_weights", share)


def _check_same_rows(values: list[Any]) -> list[tf.Operation]:
    """Returns checks that all features have as many examples, where that is not known already."""
    if all(value.shape[:1].is_fully_defined() for value in values):
        counts = {int(value.shape[0]) for value in values}
        if len(counts) > 1:
            raise ValueError(
                f"All features must have the same number of examples; got {sorted(counts)}."
            )
        return []
    message = "All features must have the same number of examples."
    first, *others = [_count_rows(value) for value in values]
    assert_equal = tf.compat.v1.debugging.assert_equal
    return [assert_equal(first, other, message=message) for other in others]


def _count_rows(value: Any) -> tf.Tensor:
    if isinstance(value, tf.SparseTensor):
        return tf.cast(value.dense_shape[0], tf.int32)
    return tf.shape(value)[0]


def _count_servers(config: Any) -> int:
    return getattr(config, "num_ps_replicas", 0) if config else 0


def _root_names() -> Any:
    """Names of summaries are tags: they must not depend on where the model is built."""
    return tf.compat.v1.get_default_graph().name_scope(None)
