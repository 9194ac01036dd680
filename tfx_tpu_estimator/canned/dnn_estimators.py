"""DNN*: classifiers, regressors and estimators with any head, of dense layers."""

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
from tfx_tpu_estimator.canned.head import Head
from tfx_tpu_estimator.canned.models import DnnModel
from tfx_tpu_estimator.canned.regression_heads import RegressionHead


class DNNClassifier(CannedEstimator):
    """The API of `tf.compat.v1.estimator.DNNClassifier`: dense layers for classes.

    Args:
      hidden_units: Units of each hidden layer.
      feature_columns: Dense feature columns.
      model_dir: As for `Estimator`.
      n_classes: 2 for one sigmoid logit, more for a softmax.
      weight_column: Key of the feature with the examples' weights, or a numeric column, or None.
      label_vocabulary: The names of the classes in order, where labels are strings.
      optimizer: A name such as 'Adam' of a tf.compat.v1.train optimizer, an optimizer, or a
        function that returns one.
      activation_fn: Of hidden layers; None for none.
      dropout: Share of activations to drop in training, or None.
      input_layer_partitioner: Cuts embedding tables into parts; default: over parameter servers.
      config: As for `Estimator`.
      warm_start_from: As for `Estimator`.
      loss_reduction: A value of `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`.
      batch_norm: Whether to normalise after each hidden layer.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.

    Example:
      >>> estimator = DNNClassifier(
      ...     hidden_units=[16, 8], feature_columns=[tf.feature_column.numeric_column("x")])
      >>> estimator.latest_checkpoint() is None
      True
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        feature_columns: Sequence[Any],
        model_dir: str | os.PathLike | None = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Any = "Adagrad",
        activation_fn: Any = tf.nn.relu,
        dropout: float | None = None,
        input_layer_partitioner: Callable | None = None,
        config: Any = None,
        warm_start_from: Any = None,
        loss_reduction: str = reductions.SUM,
        batch_norm: bool = False,
    ):
        head = make_classification_head(
            n_classes, weight_column, label_vocabulary, loss_reduction, v1=True
        )
        model = DnnModel(
            head=head,
            hidden_units=hidden_units,
            feature_columns=feature_columns,
            optimizer=optimizer,
            activation_fn=activation_fn,
            dropout=dropout,
            input_layer_partitioner=input_layer_partitioner,
            batch_norm=batch_norm,
        )
        super().__init__(model, model_dir, config, warm_start_from)


class DNNRegressor(CannedEstimator):
    """The API of `tf.compat.v1.estimator.DNNRegressor`: dense layers for numbers.

    Args:
      hidden_units: Units of each hidden layer.
      feature_columns: Dense feature columns.
      model_dir: As for `Estimator`.
      label_dimension: How many numbers an example has to predict.
      weight_column: Key of the feature with the examples' weights, or a numeric column, or None.
      optimizer: A name such as 'Adam' of a tf.compat.v1.train optimizer, an optimizer, or a
        function that returns one.
      activation_fn: Of hidden layers; None for none.
      dropout: Share of activations to drop in training, or None.
      input_layer_partitioner: Cuts embedding tables into parts; default: over parameter servers.
      config: As for `Estimator`.
      warm_start_from: As for `Estimator`.
      loss_reduction: A value of `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`.
      batch_norm: Whether to normalise after each hidden layer.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.

    Example:
      >>> estimator = DNNRegressor(
      ...     hidden_units=[16, 8], feature_columns=[tf.feature_column.numeric_column("x")])
      >>> estimator.latest_checkpoint() is None
      True
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        feature_columns: Sequence[Any],
        model_dir: str | os.PathLike | None = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Any = "Adagrad",
        activation_fn: Any = tf.nn.relu,
        dropout: float | None = None,
        input_layer_partitioner: Callable | None = None,
        config: Any = None,
        warm_start_from: Any = None,
        loss_reduction: str = reductions.SUM,
        batch_norm: bool = False,
    ):
        head = RegressionHead(label_dimension, weight_column, loss_reduction)
        model = DnnModel(
            head=head,
            hidden_units=hidden_units,
            feature_columns=feature_columns,
            optimizer=optimizer,
            activation_fn=activation_fn,
            dropout=dropout,
            input_layer_partitioner=input_layer_partitioner,
            batch_norm=batch_norm,
        )
        super().__init__(model, model_dir, config, warm_start_from)


class DNNEstimator(CannedEstimator):
    """The API of `tf.compat.v1.estimator.DNNEstimator`: dense layers.

    Args:
      head: What the model learns, such as `MultiLabelHead(5)`.
      hidden_units: Units of each hidden layer.
      feature_columns: Dense feature columns.
      model_dir: As for `Estimator`.
      optimizer: A name such as 'Adam' of a tf.compat.v1.train optimizer, an optimizer, or a
        function that returns one.
      activation_fn: Of hidden layers; None for none.
      dropout: Share of activations to drop in training, or None.
      input_layer_partitioner: Cuts embedding tables into parts; default: over parameter servers.
      config: As for `Estimator`.
      warm_start_from: As for `Estimator`.
      batch_norm: Whether to normalise after each hidden layer.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.

    Example:
      >>> from tfx_tpu_estimator.canned.regression_heads import RegressionHead
      >>> estimator = DNNEstimator(
      ...     head=RegressionHead(),
      ...     hidden_units=[16, 8], feature_columns=[tf.feature_column.numeric_column("x")])
      >>> estimator.latest_checkpoint() is None
      True
    """

    def __init__(
        self,
        head: Head,
        hidden_units: Sequence[int],
        feature_columns: Sequence[Any],
        model_dir: str | os.PathLike | None = None,
        optimizer: Any = "Adagrad",
        activation_fn: Any = tf.nn.relu,
        dropout: float | None = None,
        input_layer_partitioner: Callable | None = None,
        config: Any = None,
        warm_start_from: Any = None,
        batch_norm: bool = False,
    ):
        model = DnnModel(
            head=head,
            hidden_units=hidden_units,
            feature_columns=feature_columns,
            optimizer=optimizer,
            activation_fn=activation_fn,
            dropout=dropout,
            input_layer_partitioner=input_layer_partitioner,
            batch_norm=batch_norm,
        )
        super().__init__(model, model_dir, config, warm_start_from)


class DNNClassifierV2(CannedEstimatorV2):
    """The API of `tf.estimator.DNNClassifier`: dense layers for classes.

    Like the class without V2, but that names stand for Keras optimizers, and that losses are
    averaged over the batch.

    Args:
      hidden_units: Units of each hidden layer.
      feature_columns: Dense feature columns.
      model_dir: As for `Estimator`.
      n_classes: 2 for one sigmoid logit, more for a softmax.
      weight_column: Key of the feature with the examples' weights, or a numeric column, or None.
      label_vocabulary: The names of the classes in order, where labels are strings.
      optimizer: A name such as 'Adam' of a tf.keras.optimizers.legacy optimizer, an optimizer, or
        a function that returns one.
      activation_fn: Of hidden layers; None for none.
      dropout: Share of activations to drop in training, or None.
      config: As for `Estimator`.
      warm_start_from: As for `Estimator`.
      loss_reduction: A value of `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`.
      batch_norm: Whether to normalise after each hidden layer.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.

    Example:
      >>> estimator = DNNClassifierV2(
      ...     hidden_units=[16, 8], feature_columns=[tf.feature_column.numeric_column("x")])
      >>> estimator.latest_checkpoint() is None
      True
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        feature_columns: Sequence[Any],
        model_dir: str | os.PathLike | None = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Any = "Adagrad",
        activation_fn: Any = tf.nn.relu,
        dropout: float | None = None,
        config: Any = None,
        warm_start_from: Any = None,
        loss_reduction: str = reductions.SUM_OVER_BATCH_SIZE,
        batch_norm: bool = False,
    ):
        head = make_classification_head(
            n_classes, weight_column, label_vocabulary, loss_reduction, v1=False
        )
        model = DnnModel(
            head=head,
            keras=True,
            hidden_units=hidden_units,
            feature_columns=feature_columns,
            optimizer=optimizer,
            activation_fn=activation_fn,
            dropout=dropout,
            batch_norm=batch_norm,
        )
        super().__init__(model, model_dir, config, warm_start_from)


class DNNRegressorV2(CannedEstimatorV2):
    """The API of `tf.estimator.DNNRegressor`: dense layers for numbers.

    Like the class without V2, but that names stand for Keras optimizers, and that losses are
    averaged over the batch.

    Args:
      hidden_units: Units of each hidden layer.
      feature_columns: Dense feature columns.
      model_dir: As for `Estimator`.
      label_dimension: How many numbers an example has to predict.
      weight_column: Key of the feature with the examples' weights, or a numeric column, or None.
      optimizer: A name such as 'Adam' of a tf.keras.optimizers.legacy optimizer, an optimizer, or
        a function that returns one.
      activation_fn: Of hidden layers; None for none.
      dropout: Share of activations to drop in training, or None.
      config: As for `Estimator`.
      warm_start_from: As for `Estimator`.
      loss_reduction: A value of `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`.
      batch_norm: Whether to normalise after each hidden layer.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.

    Example:
      >>> estimator = DNNRegressorV2(
      ...     hidden_units=[16, 8], feature_columns=[tf.feature_column.numeric_column("x")])
      >>> estimator.latest_checkpoint() is None
      True
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        feature_columns: Sequence[Any],
        model_dir: str | os.PathLike | None = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Any = "Adagrad",
        activation_fn: Any = tf.nn.relu,
        dropout: float | None = None,
        config: Any = None,
        warm_start_from: Any = None,
        loss_reduction: str = reductions.SUM_OVER_BATCH_SIZE,
        batch_norm: bool = False,
    ):
        head = RegressionHead(label_dimension, weight_column, loss_reduction)
        model = DnnModel(
            head=head,
            keras=True,
            hidden_units=hidden_units,
            feature_columns=feature_columns,
            optimizer=optimizer,
            activation_fn=activation_fn,
            dropout=dropout,
            batch_norm=batch_norm,
        )
        super().__init__(model, model_dir, config, warm_start_from)


class DNNEstimatorV2(CannedEstimatorV2):
    """The API of `tf.estimator.DNNEstimator`: dense layers.

    Like the class without V2, but that names stand for Keras optimizers.

    Args:
      head: What the model learns, such as `MultiLabelHead(5)`.
      hidden_units: Units of each hidden layer.
      feature_columns: Dense feature columns.
      model_dir: As for `Estimator`.
      optimizer: A name such as 'Adam' of a tf.keras.optimizers.legacy optimizer, an optimizer, or
        a function that returns one.
      activation_fn: Of hidden layers; None for none.
      dropout: Share of activations to drop in training, or None.
      config: As for `Estimator`.
      warm_start_from: As for `Estimator`.
      batch_norm: Whether to normalise after each hidden layer.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.

    Example:
      >>> from tfx_tpu_estimator.canned.regression_heads import RegressionHead
      >>> estimator = DNNEstimatorV2(
      ...     head=RegressionHead(),
      ...     hidden_units=[16, 8], feature_columns=[tf.feature_column.numeric_column("x")])
      >>> estimator.latest_checkpoint() is None
      True
    """

    def __init__(
        self,
        head: Head,
        hidden_units: Sequence[int],
        feature_columns: Sequence[Any],
        model_dir: str | os.PathLike | None = None,
        optimizer: Any = "Adagrad",
        activation_fn: Any = tf.nn.relu,
        dropout: float | None = None,
        config: Any = None,
        warm_start_from: Any = None,
        batch_norm: bool = False,
    ):
        model = DnnModel(
            head=head,
            keras=True,
            hidden_units=hidden_units,
            feature_columns=feature_columns,
            optimizer=optimizer,
            activation_fn=activation_fn,
            dropout=dropout,
            batch_norm=batch_norm,
        )
        super().__init__(model, model_dir, config, warm_start_from)
