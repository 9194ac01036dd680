"""Linear*: classifiers, regressors and estimators with any head, of weighted sums."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from tfx_tpu_estimator.canned import reductions
from tfx_tpu_estimator.canned.base import (
    CannedEstimator,
    CannedEstimatorV2,
    make_classification_head,
)
from tfx_tpu_estimator.canned.head import Head
from tfx_tpu_estimator.canned.models import LinearModel
from tfx_tpu_estimator.canned.regression_heads import RegressionHead


class LinearClassifier(CannedEstimator):
    """The API of `tf.compat.v1.estimator.LinearClassifier`: a weighted sum for classes.

    Args:
      feature_columns: Dense or categorical feature columns.
      model_dir: As for `Estimator`.
      n_classes: 2 for one sigmoid logit, more for a softmax.
      weight_column: Key of the feature with the examples' weights, or a numeric column, or None.
      label_vocabulary: The names of the classes in order, where labels are strings.
      optimizer: A name such as 'Adam' of a tf.compat.v1.train optimizer, an optimizer, or a
        function that returns one.
      config: As for `Estimator`.
      partitioner: Cuts weights into parts; default: over parameter servers.
      warm_start_from: As for `Estimator`.
      loss_reduction: A value of `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`.
      sparse_combiner: How several values of a categorical column are combined: 'sum', 'mean' or
        'sqrtn'.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.

    Example:
      >>> import tensorflow as tf
      >>> estimator = LinearClassifier(feature_columns=[tf.feature_column.numeric_column("x")])
      >>> estimator.latest_checkpoint() is None
      True
    """

    def __init__(
        self,
        feature_columns: Sequence[Any],
        model_dir: str | os.PathLike | None = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Any = "Ftrl",
        config: Any = None,
        partitioner: Callable | None = None,
        warm_start_from: Any = None,
        loss_reduction: str = reductions.SUM,
        sparse_combiner: str = "sum",
    ):
        head = make_classification_head(
            n_classes, weight_column, label_vocabulary, loss_reduction, v1=True
        )
        model = LinearModel(
            head=head,
            feature_columns=feature_columns,
            optimizer=optimizer,
            partitioner=partitioner,
            sparse_combiner=sparse_combiner,
        )
        super().__init__(model, model_dir, config, warm_start_from)


class LinearRegressor(CannedEstimator):
    """The API of `tf.compat.v1.estimator.LinearRegressor`: a weighted sum.

    Args:
      feature_columns: Dense or categorical feature columns.
      model_dir: As for `Estimator`.
      label_dimension: How many numbers an example has to predict.
      weight_column: Key of the feature with the examples' weights, or a numeric column, or None.
      optimizer: A name such as 'Adam' of a tf.compat.v1.train optimizer, an optimizer, or a
        function that returns one.
      config: As for `Estimator`.
      partitioner: Cuts weights into parts; default: over parameter servers.
      warm_start_from: As for `Estimator`.
      loss_reduction: A value of `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`.
      sparse_combiner: How several values of a categorical column are combined: 'sum', 'mean' or
        'sqrtn'.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.

    Example:
      >>> import tensorflow as tf
      >>> estimator = LinearRegressor(feature_columns=[tf.feature_column.numeric_column("x")])
      >>> estimator.latest_checkpoint() is None
      True
    """

    def __init__(
        self,
        feature_columns: Sequence[Any],
        model_dir: str | os.PathLike | None = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Any = "Ftrl",
        config: Any = None,
        partitioner: Callable | None = None,
        warm_start_from: Any = None,
        loss_reduction: str = reductions.SUM,
        sparse_combiner: str = "sum",
    ):
        head = RegressionHead(label_dimension, weight_column, loss_reduction)
        model = LinearModel(
            head=head,
            feature_columns=feature_columns,
            optimizer=optimizer,
            partitioner=partitioner,
            sparse_combiner=sparse_combiner,
        )
        super().__init__(model, model_dir, config, warm_start_from)


class LinearEstimator(CannedEstimator):
    """The API of `tf.compat.v1.estimator.LinearEstimator`: a weighted sum.

    Args:
      head: What the model learns, such as `MultiLabelHead(5)`.
      feature_columns: Dense or categorical feature columns.
      model_dir: As for `Estimator`.
      optimizer: A name such as 'Adam' of a tf.compat.v1.train optimizer, an optimizer, or a
        function that returns one.
      config: As for `Estimator`.
      partitioner: Cuts weights into parts; default: over parameter servers.
      sparse_combiner: How several values of a categorical column are combined: 'sum', 'mean' or
        'sqrtn'.
      warm_start_from: As for `Estimator`.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.

    Example:
      >>> import tensorflow as tf
      >>> from tfx_tpu_estimator.canned.regression_heads import RegressionHead
      >>> estimator = LinearEstimator(
      ...     head=RegressionHead(), feature_columns=[tf.feature_column.numeric_column("x")])
      >>> estimator.latest_checkpoint() is None
      True
    """

    def __init__(
        self,
        head: Head,
        feature_columns: Sequence[Any],
        model_dir: str | os.PathLike | None = None,
        optimizer: Any = "Ftrl",
        config: Any = None,
        partitioner: Callable | None = None,
        sparse_combiner: str = "sum",
        warm_start_from: Any = None,
    ):
        model = LinearModel(
            head=head,
            feature_columns=feature_columns,
            optimizer=optimizer,
            partitioner=partitioner,
            sparse_combiner=sparse_combiner,
        )
        super().__init__(model, model_dir, config, warm_start_from)


class LinearClassifierV2(CannedEstimatorV2):
    """The API of `tf.estimator.LinearClassifier`: a weighted sum for classes.

    Like the class without V2, but that names stand for Keras optimizers, and that losses are
    averaged over the batch.

    Args:
      feature_columns: Dense or categorical feature columns.
      model_dir: As for `Estimator`.
      n_classes: 2 for one sigmoid logit, more for a softmax.
      weight_column: Key of the feature with the examples' weights, or a numeric column, or None.
      label_vocabulary: The names of the classes in order, where labels are strings.
      optimizer: A name such as 'Adam' of a tf.keras.optimizers.legacy optimizer, an optimizer, or
        a function that returns one.
      config: As for `Estimator`.
      warm_start_from: As for `Estimator`.
      loss_reduction: A value of `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`.
      sparse_combiner: How several values of a categorical column are combined: 'sum', 'mean' or
        'sqrtn'.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.

    Example:
      >>> import tensorflow as tf
      >>> estimator = LinearClassifierV2(feature_columns=[tf.feature_column.numeric_column("x")])
      >>> estimator.latest_checkpoint() is None
      True
    """

    def __init__(
        self,
        feature_columns: Sequence[Any],
        model_dir: str | os.PathLike | None = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Any = "Ftrl",
        config: Any = None,
        warm_start_from: Any = None,
        loss_reduction: str = reductions.SUM_OVER_BATCH_SIZE,
        sparse_combiner: str = "sum",
    ):
        head = make_classification_head(
            n_classes, weight_column, label_vocabulary, loss_reduction, v1=False
        )
        model = LinearModel(
            head=head,
            keras=True,
            feature_columns=feature_columns,
            optimizer=optimizer,
            sparse_combiner=sparse_combiner,
        )
        super().__init__(model, model_dir, config, warm_start_from)


class LinearRegressorV2(CannedEstimatorV2):
    """The API of `tf.estimator.LinearRegressor`: a weighted sum.

    Like the class without V2, but that names stand for Keras optimizers, and that losses are
    averaged over the batch.

    Args:
      feature_columns: Dense or categorical feature columns.
      model_dir: As for `Estimator`.
      label_dimension: How many numbers an example has to predict.
      weight_column: Key of the feature with the examples' weights, or a numeric column, or None.
      optimizer: A name such as 'Adam' of a tf.keras.optimizers.legacy optimizer, an optimizer, or
        a function that returns one.
      config: As for `Estimator`.
      warm_start_from: As for `Estimator`.
      loss_reduction: A value of `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`.
      sparse_combiner: How several values of a categorical column are combined: 'sum', 'mean' or
        'sqrtn'.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.

    Example:
      >>> import tensorflow as tf
      >>> estimator = LinearRegressorV2(feature_columns=[tf.feature_column.numeric_column("x")])
      >>> estimator.latest_checkpoint() is None
      True
    """

    def __init__(
        self,
        feature_columns: Sequence[Any],
        model_dir: str | os.PathLike | None = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Any = "Ftrl",
        config: Any = None,
        warm_start_from: Any = None,
        loss_reduction: str = reductions.SUM_OVER_BATCH_SIZE,
        sparse_combiner: str = "sum",
    ):
        head = RegressionHead(label_dimension, weight_column, loss_reduction)
        model = LinearModel(
            head=head,
            keras=True,
            feature_columns=feature_columns,
            optimizer=optimizer,
            sparse_combiner=sparse_combiner,
        )
        super().__init__(model, model_dir, config, warm_start_from)


class LinearEstimatorV2(CannedEstimatorV2):
    """The API of `tf.estimator.LinearEstimator`: a weighted sum.

    Like the class without V2, but that names stand for Keras optimizers.

    Args:
      head: What the model learns, such as `MultiLabelHead(5)`.
      feature_columns: Dense or categorical feature columns.
      model_dir: As for `Estimator`.
      optimizer: A name such as 'Adam' of a tf.keras.optimizers.legacy optimizer, an optimizer, or
        a function that returns one.
      config: As for `Estimator`.
      sparse_combiner: How several values of a categorical column are combined: 'sum', 'mean' or
        'sqrtn'.
      warm_start_from: As for `Estimator`.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.

    Example:
      >>> import tensorflow as tf
      >>> from tfx_tpu_estimator.canned.regression_heads import RegressionHead
      >>> estimator = LinearEstimatorV2(
      ...     head=RegressionHead(), feature_columns=[tf.feature_column.numeric_column("x")])
      >>> estimator.latest_checkpoint() is None
      True
    """

    def __init__(
        self,
        head: Head,
        feature_columns: Sequence[Any],
        model_dir: str | os.PathLike | None = None,
        optimizer: Any = "Ftrl",
        config: Any = None,
        sparse_combiner: str = "sum",
        warm_start_from: Any = None,
    ):
        model = LinearModel(
            head=head,
            keras=True,
            feature_columns=feature_columns,
            optimizer=optimizer,
            sparse_combiner=sparse_combiner,
        )
        super().__init__(model, model_dir, config, warm_start_from)
