"""Baseline*: what a model has to beat, with the same metrics."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from tfx_tpu_estimator.canned import reductions
from tfx_tpu_estimator.canned.base import (
    CannedEstimator,
    CannedEstimatorV2,
    make_classification_head,
)
from tfx_tpu_estimator.canned.head import Head
from tfx_tpu_estimator.canned.models import BaselineModel
from tfx_tpu_estimator.canned.regression_heads import RegressionHead


class BaselineClassifier(CannedEstimator):
    """The API of `tf.compat.v1.estimator.BaselineClassifier`: class frequencies.

    Args:
      model_dir: As for `Estimator`.
      n_classes: 2 for one sigmoid logit, more for a softmax.
      weight_column: Key of the feature with the examples' weights, or a numeric column, or None.
      label_vocabulary: The names of the classes in order, where labels are strings.
      optimizer: A name such as 'Adam' of a tf.compat.v1.train optimizer, an optimizer, or a
        function that returns one.
      config: As for `Estimator`.
      loss_reduction: A value of `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.

    Example:
      >>> estimator = BaselineClassifier()
      >>> estimator.latest_checkpoint() is None
      True
    """

    def __init__(
        self,
        model_dir: str | os.PathLike | None = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Any = "Ftrl",
        config: Any = None,
        loss_reduction: str = reductions.SUM,
    ):
        head = make_classification_head(
            n_classes, weight_column, label_vocabulary, loss_reduction, v1=True
        )
        model = BaselineModel(
            head=head,
            optimizer=optimizer,
            weight_column=weight_column,
        )
        super().__init__(model, model_dir, config)


class BaselineRegressor(CannedEstimator):
    """The API of `tf.compat.v1.estimator.BaselineRegressor`: the mean.

    Args:
      model_dir: As for `Estimator`.
      label_dimension: How many numbers an example has to predict.
      weight_column: Key of the feature with the examples' weights, or a numeric column, or None.
      optimizer: A name such as 'Adam' of a tf.compat.v1.train optimizer, an optimizer, or a
        function that returns one.
      config: As for `Estimator`.
      loss_reduction: A value of `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.

    Example:
      >>> estimator = BaselineRegressor()
      >>> estimator.latest_checkpoint() is None
      True
    """

    def __init__(
        self,
        model_dir: str | os.PathLike | None = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Any = "Ftrl",
        config: Any = None,
        loss_reduction: str = reductions.SUM,
    ):
        head = RegressionHead(label_dimension, weight_column, loss_reduction)
        model = BaselineModel(
            head=head,
            optimizer=optimizer,
            weight_column=weight_column,
        )
        super().__init__(model, model_dir, config)


class BaselineEstimator(CannedEstimator):
    """The API of `tf.compat.v1.estimator.BaselineEstimator`: a bias alone.

    Args:
      head: What the model learns, such as `MultiLabelHead(5)`.
      model_dir: As for `Estimator`.
      optimizer: A name such as 'Adam' of a tf.compat.v1.train optimizer, an optimizer, or a
        function that returns one.
      config: As for `Estimator`.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.

    Example:
      >>> from tfx_tpu_estimator.canned.regression_heads import RegressionHead
      >>> estimator = BaselineEstimator(head=RegressionHead())
      >>> estimator.latest_checkpoint() is None
      True
    """

    def __init__(
        self,
        head: Head,
        model_dir: str | os.PathLike | None = None,
        optimizer: Any = "Ftrl",
        config: Any = None,
    ):
        model = BaselineModel(
            head=head,
            optimizer=optimizer,
        )
        super().__init__(model, model_dir, config)


class BaselineClassifierV2(CannedEstimatorV2):
    """The API of `tf.estimator.BaselineClassifier`: class frequencies.

    Like the class without V2, but that names stand for Keras optimizers, and that losses are
    averaged over the batch.

    Args:
      model_dir: As for `Estimator`.
      n_classes: 2 for one sigmoid logit, more for a softmax.
      weight_column: Key of the feature with the examples' weights, or a numeric column, or None.
      label_vocabulary: The names of the classes in order, where labels are strings.
      optimizer: A name such as 'Adam' of a tf.keras.optimizers.legacy optimizer, an optimizer, or
        a function that returns one.
      config: As for `Estimator`.
      loss_reduction: A value of `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.

    Example:
      >>> estimator = BaselineClassifierV2()
      >>> estimator.latest_checkpoint() is None
      True
    """

    def __init__(
        self,
        model_dir: str | os.PathLike | None = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Any = "Ftrl",
        config: Any = None,
        loss_reduction: str = reductions.SUM_OVER_BATCH_SIZE,
    ):
        head = make_classification_head(
            n_classes, weight_column, label_vocabulary, loss_reduction, v1=False
        )
        model = BaselineModel(
            head=head,
            keras=True,
            optimizer=optimizer,
            weight_column=weight_column,
        )
        super().__init__(model, model_dir, config)


class BaselineRegressorV2(CannedEstimatorV2):
    """The API of `tf.estimator.BaselineRegressor`: the mean.

    Like the class without V2, but that names stand for Keras optimizers, and that losses are
    averaged over the batch.

    Args:
      model_dir: As for `Estimator`.
      label_dimension: How many numbers an example has to predict.
      weight_column: Key of the feature with the examples' weights, or a numeric column, or None.
      optimizer: A name such as 'Adam' of a tf.keras.optimizers.legacy optimizer, an optimizer, or
        a function that returns one.
      config: As for `Estimator`.
      loss_reduction: A value of `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.

    Example:
      >>> estimator = BaselineRegressorV2()
      >>> estimator.latest_checkpoint() is None
      True
    """

    def __init__(
        self,
        model_dir: str | os.PathLike | None = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Any = "Ftrl",
        config: Any = None,
        loss_reduction: str = reductions.SUM_OVER_BATCH_SIZE,
    ):
        head = RegressionHead(label_dimension, weight_column, loss_reduction)
        model = BaselineModel(
            head=head,
            keras=True,
            optimizer=optimizer,
            weight_column=weight_column,
        )
        super().__init__(model, model_dir, config)


class BaselineEstimatorV2(CannedEstimatorV2):
    """The API of `tf.estimator.BaselineEstimator`: a bias alone.

    Like the class without V2, but that names stand for Keras optimizers.

    Args:
      head: What the model learns, such as `MultiLabelHead(5)`.
      model_dir: As for `Estimator`.
      optimizer: A name such as 'Adam' of a tf.keras.optimizers.legacy optimizer, an optimizer, or
        a function that returns one.
      config: As for `Estimator`.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.

    Example:
      >>> from tfx_tpu_estimator.canned.regression_heads import RegressionHead
      >>> estimator = BaselineEstimatorV2(head=RegressionHead())
      >>> estimator.latest_checkpoint() is None
      True
    """

    def __init__(
        self,
        head: Head,
        model_dir: str | os.PathLike | None = None,
        optimizer: Any = "Ftrl",
        config: Any = None,
    ):
        model = BaselineModel(
            head=head,
            keras=True,
            optimizer=optimizer,
        )
        super().__init__(model, model_dir, config)
