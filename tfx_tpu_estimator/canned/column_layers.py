"""Feature columns as layers: their values beside each other, and their weighted sum."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.canned.columns import validate_keys

_columns = tf.__internal__.feature_column  # pyright: ignore[reportAttributeAccessIssue]
_v1_columns = tf.compat.v1.feature_column


class ColumnVariables(_columns.StateManager):
    """Makes the variables of columns, such as embedding tables, in the current variable scope."""

    def __init__(self):
        super().__init__(layer=None, trainable=True)
        self._variables: dict[tuple[Any, str], Any] = {}

    def create_variable(
        self,
        feature_column: Any,
        name: str,
        shape: Any,
        dtype: Any = None,
        trainable: bool = True,
        use_resource: bool = True,
        initializer: Any = None,
    ) -> Any:
        """Makes a variable for a column; called by the columns themselves.

        Args:
          feature_column: Whose variable it is.
          name: Of the variable.
          shape: Of the variable.
          dtype: Of the variable; float32 by default.
          trainable: Whether it is trained.
          use_resource: Has no effect: all variables are resource variables.
          initializer: Of its values.

        Returns:
          The variable.
        """
        del use_resource
        variable = tf.compat.v1.get_variable(
            name, shape, dtype or tf.float32, initializer=initializer, trainable=trainable
        )
        self._variables[feature_column, name] = variable
        return variable

    def get_variable(self, feature_column: Any, name: str) -> Any:
        """Returns a variable made before.

        Args:
          feature_column: Whose variable it is.
          name: Of the variable.
        """
        return self._variables[feature_column, name]


def build_input_layer(
    features: Mapping[str, Any], columns: tuple, partitioner: Any, *, on_devices: bool = False
) -> tf.Tensor:
    """Returns the values of dense columns beside each other, float32 [batch, n].

    Args:
      features: By name.
      columns: What `validate_columns` returned.
      partitioner: Of embedding tables.
      on_devices: Whether it is built for devices.

    Raises:
      ValueError: A column reads a feature that is not there.
    """
    validate_keys(features, columns)
    with tf.compat.v1.variable_scope("input_from_feature_columns", partitioner=partitioner):
        if any(_is_v1(column) for column in columns):
            return _v1_columns.input_layer(dict(features), list(columns))
        state, cache = ColumnVariables(), _columns.FeatureTransformationCache(dict(features))
        ordered = sorted(columns, key=lambda column: column.name)
        with tf.compat.v1.variable_scope("input_layer"):
            for column in ordered:
                with tf.compat.v1.variable_scope(_scope_name(column)):
                    column.create_state(state)
        values = []
        for column in ordered:
            counts = _count_dense_ids(column, features) if on_devices else None
            values.append(_build_dense(column, cache, state) if counts is None else counts)
        return tf.concat(values, axis=1)


def build_linear_model(
    features: Mapping[str, Any], columns: tuple, units: int, sparse_combiner: str
) -> tuple[tf.Tensor, Any, list[tf.Tensor]]:
    """Returns the weighted sum of the columns.

    Args:
      features: By name.
      columns: What `validate_columns` returned.
      units: Numbers per example.
      sparse_combiner: How several values of a categorical column are combined: 'sum', 'mean' or
        'sqrtn'.

    Returns:
      float32 [batch, units], the bias [units], and the weights.

    Raises:
      ValueError: A column reads a feature that is not there.
    """
    validate_keys(features, columns)
    if any(_is_v1(column) for column in columns):
        return _build_v1_linear_model(features, columns, units, sparse_combiner)
    state, cache = ColumnVariables(), _columns.FeatureTransformationCache(dict(features))
    sums, weights = [], []
    with tf.compat.v1.variable_scope("linear_model"):
        for column in sorted(columns, key=lambda column: column.name):
            with tf.compat.v1.variable_scope(_scope_name(column)):
                column.create_state(state)
                weight = _get_weights(column, units)
            weights.append(tf.convert_to_tensor(weight))
            sums.append(_weigh(column, cache, state, weight, sparse_combiner))
        bias = tf.compat.v1.get_variable(
            "bias_weights", [units], initializer=tf.compat.v1.zeros_initializer()
        )
    bias = tf.convert_to_tensor(bias)
    return tf.nn.bias_add(tf.add_n(sums), bias), bias, weights


def is_categorical(column: Any) -> bool:
    """Tells whether a linear model looks up weights of a column's values.

    Args:
      column: Of TensorFlow 2; a bucketized column is categorical and dense.
    """
    return hasattr(column, "get_sparse_tensors") and hasattr(column, "num_buckets")


def _build_dense(column: Any, cache: Any, state: ColumnVariables) -> tf.Tensor:
    """Returns a dense column's values, float32 [batch, n]."""
    value = column.get_dense_tensor(cache, state)
    return tf.reshape(value, [tf.shape(value)[0], column.variable_shape.num_elements()])


def _count_dense_ids(column: Any, features: Mapping[str, Any]) -> tf.Tensor | None:
    """Returns an indicator column of ids that come dense, without making them sparse.

    How many ids there are would depend on data, for which no device has a shape. What is out of
    range counts for nothing, as -1 does, which stands for no id.

    Args:
      column: Any dense column.
      features: By name.

    Returns:
      float32 [batch, buckets]; None for any other column.
    """
    ids: Any = getattr(column, "categorical_column", None)
    plain = hasattr(ids, "number_buckets") and ids.default_value is None
    if not plain or hasattr(column, "dimension"):
        return None
    value: Any = features.get(ids.key)
    if not tf.is_tensor(value) or isinstance(value, tf.SparseTensor | tf.RaggedTensor):
        return None
    if not value.dtype.is_integer or value.shape.rank not in (1, 2):
        return None
    if value.shape.rank == 1:
        value = tf.expand_dims(value, -1)
    return tf.reduce_sum(tf.one_hot(value, ids.number_buckets), axis=1)


def _get_weights(column: Any, units: int) -> Any:
    rows = column.num_buckets if is_categorical(column) else column.variable_shape.num_elements()
    return tf.compat.v1.get_variable(
        "weights", [rows, units], initializer=tf.compat.v1.zeros_initializer()
    )


def _weigh(
    column: Any, cache: Any, state: ColumnVariables, weight: Any, combiner: str
) -> tf.Tensor:
    """Returns a column's part of the sum, float32 [batch, units]."""
    if not is_categorical(column):
        return tf.matmul(_build_dense(column, cache, state), weight)
    pair = column.get_sparse_tensors(cache, state)
    return tf.nn.safe_embedding_lookup_sparse(
        weight,
        _flatten_rows(pair.id_tensor),
        sparse_weights=None if pair.weight_tensor is None else _flatten_rows(pair.weight_tensor),
        combiner=combiner,
    )


def _flatten_rows(values: tf.SparseTensor) -> tf.SparseTensor:
    """Returns sparse values [batch, n] for [batch, ...]."""
    return tf.sparse.reshape(values, tf.stack([tf.shape(values)[0], -1]))


def _build_v1_linear_model(
    features: Mapping[str, Any], columns: tuple, units: int, sparse_combiner: str
) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
    """Does the same for columns of which one exists in TensorFlow 1 alone."""
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


def _flatten(variables: Any) -> list[Any]:
    """Returns the parts of variables, which may be partitioned."""
    if not isinstance(variables, list | tuple):
        variables = [variables]
    parts: list[Any] = []
    for variable in variables:
        parts += [variable] if isinstance(variable, tf.Variable) else list(variable)
    return parts


def _is_v1(column: Any) -> bool:
    """Tells whether a column is one of TensorFlow 1 alone, as its shared embeddings are."""
    return not hasattr(column, "create_state") and not hasattr(column, "parse_example_spec")


def _scope_name(column: Any) -> str:
    """Returns a column's name without characters that no variable scope may have."""
    return re.sub(r"[^A-Za-z0-9_.\\/-]", "_", column.name)
