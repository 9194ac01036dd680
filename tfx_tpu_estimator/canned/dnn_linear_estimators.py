"""DNNLinearCombined*: wide and deep classifiers, regressors, and with any head."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.canned import reductions
from tfx_tpu_estimator.canned.base import (
    CannedEstimator,
    CannedEstimatorV2,
    make_classification_head,
)
from tfx_tpu_estimator.canned.combined import CombinedModel
from tfx_tpu_estimator.canned.head import Head
from tfx_tpu_estimator.canned.regression_heads import RegressionHead


class DNNLinearCombinedClassifier(CannedEstimator):
    """The API of `tf.compat.v1.estimator.DNNLinearCombinedClassifier`: wide and deep.

    Args:
      model_dir: As for `Estimator`.
      linear_feature_columns: Dense or categorical columns of the linear model.
      linear_optimizer: A name such as 'Adam' of a tf.compat.v1.train optimizer, an optimizer, or a
        function that returns one.
      dnn_feature_columns: Dense columns of the network.
      dnn_optimizer: The same for the network.
      dnn_hidden_units: Units of each hidden layer.
      dnn_activation_fn: Of hidden layers; None for none.
      dnn_dropout: Share of activations to drop in training, or None.
      n_classes: 2 for one sigmoid logit, more for a softmax.
      weight_column: Key of the feature with the examples' weights, or a numeric column, or None.
      label_vocabulary: The names of the classes in order, where labels are strings.
      input_layer_partitioner: Cuts embedding tables into parts; default: over parameter servers.
      config: As for `Estimator`.
      warm_start_from: As for `Estimator`.
      loss_reduction: A value of `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`.
      batch_norm: Whether to normalise after each hidden layer.
      linear_sparse_combiner: How several values of a categorical column are combined.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.

    Example:
      >>> estimator = DNNLinearCombinedClassifier(
      ...     linear_feature_columns=[tf.feature_column.numeric_column("x")])
      >>> estimator.latest_checkpoint() is None
      True
    """

    def __init__(
        self,
        model_dir: str | os.PathLike | None = None,
        linear_feature_columns: Sequence[Any] | None = None,
        linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Sequence[Any] | None = None,
        dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Sequence[int] | None = None,
        dnn_activation_fn: Any = tf.nn.relu,
        dnn_dropout: float | None = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        input_layer_partitioner: Callable | None = None,
        config: Any = None,
        warm_start_from: Any = None,
        loss_reduction: str = reductions.SUM,
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
    ):
        head = make_classification_head(
            n_classes, weight_column, label_vocabulary, loss_reduction, v1=True
        )
        model = CombinedModel(
            head=head,
            linear_feature_columns=linear_feature_columns,
            linear_optimizer=linear_optimizer,
            dnn_feature_columns=dnn_feature_columns,
            dnn_optimizer=dnn_optimizer,
            dnn_hidden_units=dnn_hidden_units,
            dnn_activation_fn=dnn_activation_fn,
            dnn_dropout=dnn_dropout,
            input_layer_partitioner=input_layer_partitioner,
            batch_norm=batch_norm,
            linear_sparse_combiner=linear_sparse_combiner,
        )
        super().__init__(model, model_dir, config, warm_start_from)


class DNNLinearCombinedRegressor(CannedEstimator):
    """The API of `tf.compat.v1.estimator.DNNLinearCombinedRegressor`: wide and deep.

    Args:
      model_dir: As for `Estimator`.
      linear_feature_columns: Dense or categorical columns of the linear model.
      linear_optimizer: A name such as 'Adam' of a tf.compat.v1.train optimizer, an optimizer, or a
        function that returns one.
      dnn_feature_columns: Dense columns of the network.
      dnn_optimizer: The same for the network.
      dnn_hidden_units: Units of each hidden layer.
      dnn_activation_fn: Of hidden layers; None for none.
      dnn_dropout: Share of activations to drop in training, or None.
      label_dimension: How many numbers an example has to predict.
      weight_column: Key of the feature with the examples' weights, or a numeric column, or None.
      input_layer_partitioner: Cuts embedding tables into parts; default: over parameter servers.
      config: As for `Estimator`.
      warm_start_from: As for `Estimator`.
      loss_reduction: A value of `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`.
      batch_norm: Whether to normalise after each hidden layer.
      linear_sparse_combiner: How several values of a categorical column are combined.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.

    Example:
      >>> estimator = DNNLinearCombinedRegressor(
      ...     linear_feature_columns=[tf.feature_column.numeric_column("x")])
      >>> estimator.latest_checkpoint() is None
      True
    """

    def __init__(
        self,
        model_dir: str | os.PathLike | None = None,
        linear_feature_columns: Sequence[Any] | None = None,
        linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Sequence[Any] | None = None,
        dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Sequence[int] | None = None,
        dnn_activation_fn: Any = tf.nn.relu,
        dnn_dropout: float | None = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        input_layer_partitioner: Callable | None = None,
        config: Any = None,
        warm_start_from: Any = None,
        loss_reduction: str = reductions.SUM,
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
    ):
        head = RegressionHead(label_dimension, weight_column, loss_reduction)
        model = CombinedModel(
            head=head,
            linear_feature_columns=linear_feature_columns,
            linear_optimizer=linear_optimizer,
            dnn_feature_columns=dnn_feature_columns,
            dnn_optimizer=dnn_optimizer,
            dnn_hidden_units=dnn_hidden_units,
            dnn_activation_fn=dnn_activation_fn,
            dnn_dropout=dnn_dropout,
            input_layer_partitioner=input_layer_partitioner,
            batch_norm=batch_norm,
            linear_sparse_combiner=linear_sparse_combiner,
        )
        super().__init__(model, model_dir, config, warm_start_from)


class DNNLinearCombinedEstimator(CannedEstimator):
    """The API of `tf.compat.v1.estimator.DNNLinearCombinedEstimator`: wide and deep.

    Args:
      head: What the model learns, such as `MultiLabelHead(5)`.
      model_dir: As for `Estimator`.
      linear_feature_columns: Dense or categorical columns of the linear model.
      linear_optimizer: A name such as 'Adam' of a tf.compat.v1.train optimizer, an optimizer, or a
        function that returns one.
      dnn_feature_columns: Dense columns of the network.
      dnn_optimizer: The same for the network.
      dnn_hidden_units: Units of each hidden layer.
      dnn_activation_fn: Of hidden layers; None for none.
      dnn_dropout: Share of activations to drop in training, or None.
      input_layer_partitioner: Cuts embedding tables into parts; default: over parameter servers.
      config: As for `Estimator`.
      batch_norm: Whether to normalise after each hidden layer.
      linear_sparse_combiner: How several values of a categorical column are combined.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.

    Example:
      >>> from tfx_tpu_estimator.canned.regression_heads import RegressionHead
      >>> estimator = DNNLinearCombinedEstimator(
      ...     head=RegressionHead(),
      ...     linear_feature_columns=[tf.feature_column.numeric_column("x")])
      >>> estimator.latest_checkpoint() is None
      True
    """

    def __init__(
        self,
        head: Head,
        model_dir: str | os.PathLike | None = None,
        linear_feature_columns: Sequence[Any] | None = None,
        linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Sequence[Any] | None = None,
        dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Sequence[int] | None = None,
        dnn_activation_fn: Any = tf.nn.relu,
        dnn_dropout: float | None = None,
        input_layer_partitioner: Callable | None = None,
        config: Any = None,
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
    ):
        model = CombinedModel(
            head=head,
            linear_feature_columns=linear_feature_columns,
            linear_optimizer=linear_optimizer,
            dnn_feature_columns=dnn_feature_columns,
            dnn_optimizer=dnn_optimizer,
            dnn_hidden_units=dnn_hidden_units,
            dnn_activation_fn=dnn_activation_fn,
            dnn_dropout=dnn_dropout,
            input_layer_partitioner=input_layer_partitioner,
            batch_norm=batch_norm,
            linear_sparse_combiner=linear_sparse_combiner,
        )
        super().__init__(model, model_dir, config)


class DNNLinearCombinedClassifierV2(CannedEstimatorV2):
    """The API of `tf.estimator.DNNLinearCombinedClassifier`: wide and deep.

    Like the class without V2, but that names stand for Keras optimizers, and that losses are
    averaged over the batch.

    Args:
      model_dir: As for `Estimator`.
      linear_feature_columns: Dense or categorical columns of the linear model.
      linear_optimizer: A name such as 'Adam' of a tf.keras.optimizers.legacy optimizer, an
        optimizer, or a function that returns one.
      dnn_feature_columns: Dense columns of the network.
      dnn_optimizer: The same for the network.
      dnn_hidden_units: Units of each hidden layer.
      dnn_activation_fn: Of hidden layers; None for none.
      dnn_dropout: Share of activations to drop in training, or None.
      n_classes: 2 for one sigmoid logit, more for a softmax.
      weight_column: Key of the feature with the examples' weights, or a numeric column, or None.
      label_vocabulary: The names of the classes in order, where labels are strings.
      config: As for `Estimator`.
      warm_start_from: As for `Estimator`.
      loss_reduction: A value of `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`.
      batch_norm: Whether to normalise after each hidden layer.
      linear_sparse_combiner: How several values of a categorical column are combined.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.

    Example:
      >>> estimator = DNNLinearCombinedClassifierV2(
      ...     linear_feature_columns=[tf.feature_column.numeric_column("x")])
      >>> estimator.latest_checkpoint() is None
      True
    """

    def __init__(
        self,
        model_dir: str | os.PathLike | None = None,
        linear_feature_columns: Sequence[Any] | None = None,
        linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Sequence[Any] | None = None,
        dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Sequence[int] | None = None,
        dnn_activation_fn: Any = tf.nn.relu,
        dnn_dropout: float | None = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        config: Any = None,
        warm_start_from: Any = None,
        loss_reduction: str = reductions.SUM_OVER_BATCH_SIZE,
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
    ):
        head = make_classification_head(
            n_classes, weight_column, label_vocabulary, loss_reduction, v1=False
        )
        model = CombinedModel(
            head=head,
            keras=True,
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
        super().__init__(model, model_dir, config, warm_start_from)


class DNNLinearCombinedRegressorV2(CannedEstimatorV2):
    """The API of `tf.estimator.DNNLinearCombinedRegressor`: wide and deep.

    Like the class without V2, but that names stand for Keras optimizers, and that losses are
    averaged over the batch.

    Args:
      model_dir: As for `Estimator`.
      linear_feature_columns: Dense or categorical columns of the linear model.
      linear_optimizer: A name such as 'Adam' of a tf.keras.optimizers.legacy optimizer, an
        optimizer, or a function that returns one.
      dnn_feature_columns: Dense columns of the network.
      dnn_optimizer: The same for the network.
      dnn_hidden_units: Units of each hidden layer.
      dnn_activation_fn: Of hidden layers; None for none.
      dnn_dropout: Share of activations to drop in training, or None.
      label_dimension: How many numbers an example has to predict.
      weight_column: Key of the feature with the examples' weights, or a numeric column, or None.
      config: As for `Estimator`.
      warm_start_from: As for `Estimator`.
      loss_reduction: A value of `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`.
      batch_norm: Whether to normalise after each hidden layer.
      linear_sparse_combiner: How several values of a categorical column are combined.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.

    Example:
      >>> estimator = DNNLinearCombinedRegressorV2(
      ...     linear_feature_columns=[tf.feature_column.numeric_column("x")])
      >>> estimator.latest_checkpoint() is None
      True
    """

    def __init__(
        self,
        model_dir: str | os.PathLike | None = None,
        linear_feature_columns: Sequence[Any] | None = None,
        linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Sequence[Any] | None = None,
        dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Sequence[int] | None = None,
        dnn_activation_fn: Any = tf.nn.relu,
        dnn_dropout: float | None = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        config: Any = None,
        warm_start_from: Any = None,
        loss_reduction: str = reductions.SUM_OVER_BATCH_SIZE,
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
    ):
        head = RegressionHead(label_dimension, weight_column, loss_reduction)
        model = CombinedModel(
            head=head,
            keras=True,
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
        super().__init__(model, model_dir, config, warm_start_from)


class DNNLinearCombinedEstimatorV2(CannedEstimatorV2):
    """The API of `tf.estimator.DNNLinearCombinedEstimator`: wide and deep.

    Like the class without V2, but that names stand for Keras optimizers.

    Args:
      head: What the model learns, such as `MultiLabelHead(5)`.
      model_dir: As for `Estimator`.
      linear_feature_columns: Dense or categorical columns of the linear model.
      linear_optimizer: A name such as 'Adam' of a tf.keras.optimizers.legacy optimizer, an
        optimizer, or a function that returns one.
      dnn_feature_columns: Dense columns of the network.
      dnn_optimizer: The same for the network.
      dnn_hidden_units: Units of each hidden layer.
      dnn_activation_fn: Of hidden layers; None for none.
      dnn_dropout: Share of activations to drop in training, or None.
      config: As for `Estimator`.
      batch_norm: Whether to normalise after each hidden layer.
      linear_sparse_combiner: How several values of a categorical column are combined.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.

    Example:
      >>> from tfx_tpu_estimator.canned.regression_heads import RegressionHead
      >>> estimator = DNNLinearCombinedEstimatorV2(
      ...     head=RegressionHead(),
      ...     linear_feature_columns=[tf.feature_column.numeric_column("x")])
      >>> estimator.latest_checkpoint() is None
      True
    """

    def __init__(
        self,
        head: Head,
        model_dir: str | os.PathLike | None = None,
        linear_feature_columns: Sequence[Any] | None = None,
        linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Sequence[Any] | None = None,
        dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Sequence[int] | None = None,
        dnn_activation_fn: Any = tf.nn.relu,
        dnn_dropout: float | None = None,
        config: Any = None,
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
    ):
        model = CombinedModel(
            head=head,
            keras=True,
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
        super().__init__(model, model_dir, config)
