"""Canned models as model_fns for TPUEstimator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.canned.base import make_tpu_model_fn
from tfx_tpu_estimator.canned.combined import CombinedModel
from tfx_tpu_estimator.canned.head import Head
from tfx_tpu_estimator.canned.models import BaselineModel, DnnModel, LinearModel


def dnn_model_fn(
    head: Head,
    hidden_units: Sequence[int],
    feature_columns: Sequence[Any],
    optimizer: Any = "Adagrad",
    activation_fn: Any = tf.nn.relu,
    dropout: float | None = None,
    batch_norm: bool = False,
) -> Callable:
    """Returns a model_fn for TPUEstimator: dense layers on feature columns.

    Its variables are those of `DNNEstimator`. Optimizers are wrapped in a CrossShardOptimizer.

    Args:
      head: What the model learns.
      hidden_units: Units of each hidden layer.
      feature_columns: Dense feature columns.
      optimizer: Name, optimizer or function that returns one.
      activation_fn: Of hidden layers.
      dropout: Share of activations to drop in training, or None.
      batch_norm: Whether to normalise after each hidden layer.

    Returns:
      `model_fn(features, labels, mode, params, config)`.

    Raises:
      ValueError: An argument is wrong; the message names it.

    Example:
      >>> from tfx_tpu_estimator.canned.multi_class_head import MultiClassHead
      >>> model_fn = dnn_model_fn(
      ...     MultiClassHead(3), [8], [tf.feature_column.numeric_column("x", shape=(4,))])
      >>> callable(model_fn)
      True
    """
    return make_tpu_model_fn(
        DnnModel(
            head=head,
            hidden_units=hidden_units,
            feature_columns=feature_columns,
            optimizer=optimizer,
            activation_fn=activation_fn,
            dropout=dropout,
            batch_norm=batch_norm,
        )
    )


def linear_model_fn(
    head: Head,
    feature_columns: Sequence[Any],
    optimizer: Any = "Ftrl",
    sparse_combiner: str = "sum",
) -> Callable:
    """Returns a model_fn for TPUEstimator: a weighted sum of feature columns.

    Its variables are those of `LinearEstimator`.

    Args:
      head: What the model learns.
      feature_columns: Dense or categorical feature columns.
      optimizer: Name, optimizer or function that returns one.
      sparse_combiner: How several values of a categorical column are combined: 'sum', 'mean' or
        'sqrtn'.

    Returns:
      `model_fn(features, labels, mode, params, config)`.

    Raises:
      ValueError: An argument is wrong; the message names it.

    Example:
      >>> from tfx_tpu_estimator.canned.regression_heads import RegressionHead
      >>> callable(linear_model_fn(RegressionHead(), [tf.feature_column.numeric_column("x")]))
      True
    """
    return make_tpu_model_fn(
        LinearModel(
            head=head,
            feature_columns=feature_columns,
            optimizer=optimizer,
            sparse_combiner=sparse_combiner,
        )
    )


def dnn_linear_combined_model_fn(
    head: Head,
    linear_feature_columns: Sequence[Any] | None = None,
    linear_optimizer: Any = "Ftrl",
    dnn_feature_columns: Sequence[Any] | None = None,
    dnn_optimizer: Any = "Adagrad",
    dnn_hidden_units: Sequence[int] | None = None,
    dnn_activation_fn: Any = tf.nn.relu,
    dnn_dropout: float | None = None,
    batch_norm: bool = False,
    linear_sparse_combiner: str = "sum",
) -> Callable:
    """Returns a model_fn for TPUEstimator: a linear model and dense layers, added.

    Its variables are those of `DNNLinearCombinedEstimator`.

    Args:
      head: What the model learns.
      linear_feature_columns: Dense or categorical feature columns.
      linear_optimizer: Name, optimizer or function that returns one.
      dnn_feature_columns: Dense feature columns.
      dnn_optimizer: Name, optimizer or function that returns one.
      dnn_hidden_units: Units of each hidden layer.
      dnn_activation_fn: Of hidden layers.
      dnn_dropout: Share of activations to drop in training, or None.
      batch_norm: Whether to normalise after each hidden layer.
      linear_sparse_combiner: How several values of a categorical column are combined.

    Returns:
      `model_fn(features, labels, mode, params, config)`.

    Raises:
      ValueError: An argument is wrong; the message names it.

    Example:
      >>> from tfx_tpu_estimator.canned.binary_head import BinaryClassHead
      >>> column = tf.feature_column.numeric_column("x")
      >>> callable(dnn_linear_combined_model_fn(
      ...     BinaryClassHead(), [column], dnn_feature_columns=[column], dnn_hidden_units=[4]))
      True
    """
    return make_tpu_model_fn(
        CombinedModel(
            head=head,
            linear_feature_columns=linear_feature_columns,
            linear_optimizer=linear_optimizer,
            dnn_feature_columns=dnn_feature_columns,
            dnn_optimizer=dnn_optimizer,
            dnn_hidden_units=dnn_hidden_units,
            dnn_activation_fn=dnn_activation_fn,
            dnn_dropout=dnn_dropout,
            batch_norm=batch_norm,
            linear_sparse_combiner=linear_sparse_combiner,
        )
    )


def baseline_model_fn(head: Head, optimizer: Any = "Ftrl") -> Callable:
    """Returns a model_fn for TPUEstimator: a bias, the same prediction for every example.

    Its variables are those of `BaselineEstimator`.

    Args:
      head: What the model learns.
      optimizer: Name, optimizer or function that returns one.

    Returns:
      `model_fn(features, labels, mode, params, config)`.

    Raises:
      ValueError: An argument is wrong; the message names it.

    Example:
      >>> from tfx_tpu_estimator.canned.binary_head import BinaryClassHead
      >>> callable(baseline_model_fn(BinaryClassHead()))
      True
    """
    return make_tpu_model_fn(BaselineModel(head=head, optimizer=optimizer))
