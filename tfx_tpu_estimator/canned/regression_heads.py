"""RegressionHead and its kin: numbers, counts and probabilities as targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.canned import checks, classes, keys, metric_ops, reductions
from tfx_tpu_estimator.canned.keys import MetricKeys, PredictionKeys
from tfx_tpu_estimator.canned.task_head import TaskHead
from tfx_tpu_estimator.export_output import ExportOutput, PredictOutput, RegressionOutput


class RegressionHead(TaskHead):
    """Learns numbers: the API of `tf.estimator.RegressionHead`.

    Labels are numbers, [batch] or [batch, label_dimension].

    Args:
      label_dimension: How many numbers an example has.
      weight_column: Key of the feature with the examples' weights, or a numeric column, or None;
        one weight per example or per number.
      loss_reduction: A value of `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`.
      loss_fn: `loss_fn(labels, logits[, features][, loss_reduction])` returning
        [batch, label_dimension]; default: squared error.
      inverse_link_fn: From logits to predictions; default: the logits are the predictions.
      name: Of the head among several.

    Raises:
      ValueError: An argument is wrong; the message names it.
      TypeError: `weight_column` is of another type.

    Example:
      >>> RegressionHead(label_dimension=2).logits_dimension
      2
    """

    def __init__(
        self,
        label_dimension: int = 1,
        weight_column: Any = None,
        loss_reduction: str = reductions.SUM_OVER_BATCH_SIZE,
        loss_fn: Callable | None = None,
        inverse_link_fn: Callable | None = None,
        name: str | None = None,
    ):
        if not isinstance(label_dimension, int) or label_dimension < 1:
            raise ValueError(
                f"Invalid label_dimension {label_dimension}. `label_dimension` must be an int > 0."
            )
        super().__init__(weight_column, loss_reduction, loss_fn, name)
        self._dimension = label_dimension
        self._inverse_link_fn = inverse_link_fn

    @property
    def logits_dimension(self) -> int:
        """How many logits an example has: `label_dimension`."""
        return self._dimension

    def _process_labels(self, labels: Any, logits: tf.Tensor, on_devices: bool) -> tf.Tensor:
        del on_devices
        labels = checks.check_labels(labels, logits, self._dimension)
        classes.refuse_strings(labels)
        return tf.cast(labels, tf.float32)

    def _compute_losses(self, labels: tf.Tensor, logits: tf.Tensor, on_devices: bool) -> tf.Tensor:
        del on_devices
        return tf.math.squared_difference(logits, labels)

    def _predict(self, logits: tf.Tensor, on_devices: bool) -> dict[str, tf.Tensor]:
        del on_devices
        if self._inverse_link_fn is None:
            return {PredictionKeys.PREDICTIONS: logits}
        predictions = self._inverse_link_fn(logits)
        return {PredictionKeys.PREDICTIONS: predictions, PredictionKeys.LOGITS: logits}

    def _export(
        self, predictions: Mapping[str, tf.Tensor], on_devices: bool
    ) -> dict[str, ExportOutput]:
        del on_devices
        regression = RegressionOutput(predictions[PredictionKeys.PREDICTIONS])
        return {
            keys.SERVING_DEFAULT: regression,
            keys.REGRESSION: regression,
            keys.PREDICT: PredictOutput(predictions),
        }

    def _make_metrics(
        self, labels: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor | None
    ) -> dict[str, metric_ops.MetricOp]:
        predictions = self._predict(logits, on_devices=False)[PredictionKeys.PREDICTIONS]
        return {
            MetricKeys.PREDICTION_MEAN: metric_ops.mean(
                predictions, weights, MetricKeys.PREDICTION_MEAN
            ),
            MetricKeys.LABEL_MEAN: metric_ops.mean(labels, weights, MetricKeys.LABEL_MEAN),
        }


class PoissonRegressionHead(RegressionHead):
    """Learns counts, whose expected value is exp(logits).

    Args:
      label_dimension: How many counts an example has.
      weight_column: As for `RegressionHead`.
      loss_reduction: As for `RegressionHead`.
      compute_full_loss: Whether the loss has the part of Stirling's formula that depends on the
        labels only.
      name: Of the head among several.

    Example:
      >>> PoissonRegressionHead().logits_dimension
      1
    """

    def __init__(
        self,
        label_dimension: int = 1,
        weight_column: Any = None,
        loss_reduction: str = reductions.SUM_OVER_BATCH_SIZE,
        compute_full_loss: bool = True,
        name: str | None = None,
    ):
        def poisson_loss(labels, logits):
            return tf.nn.log_poisson_loss(labels, logits, compute_full_loss=compute_full_loss)

        super().__init__(label_dimension, weight_column, loss_reduction, poisson_loss, tf.exp, name)


class LogisticRegressionHead(RegressionHead):
    """Learns probabilities: labels in [0, 1], predictions sigmoid(logits).

    Args:
      weight_column: As for `RegressionHead`.
      loss_reduction: As for `RegressionHead`.
      name: Of the head among several.

    Example:
      >>> LogisticRegressionHead().logits_dimension
      1
    """

    def __init__(
        self,
        weight_column: Any = None,
        loss_reduction: str = reductions.SUM_OVER_BATCH_SIZE,
        name: str | None = None,
    ):
        super().__init__(1, weight_column, loss_reduction, None, tf.sigmoid, name)

    def _process_labels(self, labels: Any, logits: tf.Tensor, on_devices: bool) -> tf.Tensor:
        labels = super()._process_labels(labels, logits, on_devices)
        message = "Labels must be in range [0, 1]"
        return checks.check_range(labels, 2, on_devices=on_devices, message=message)

    def _compute_losses(self, labels: tf.Tensor, logits: tf.Tensor, on_devices: bool) -> tf.Tensor:
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
        return checks.poison_out_of_range(losses, labels, 2, on_devices=on_devices)
