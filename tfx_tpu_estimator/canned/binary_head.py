"""BinaryClassHead: one sigmoid logit decides between two classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.canned import checks, classes, keys, metric_ops, reductions
from tfx_tpu_estimator.canned.keys import MetricKeys, PredictionKeys
from tfx_tpu_estimator.canned.task_head import TaskHead
from tfx_tpu_estimator.export_output import ExportOutput, RegressionOutput


class BinaryClassHead(TaskHead):
    """Learns a label that is 0 or 1: the API of `tf.estimator.BinaryClassHead`.

    Labels are numbers in [0, 1], or strings with `label_vocabulary`; [batch] or [batch, 1].

    Args:
      weight_column: Key of the feature with the examples' weights, or a numeric column, or None.
      thresholds: Between 0 and 1; adds accuracy, precision and recall at each.
      label_vocabulary: The names of classes 0 and 1, where labels are strings.
      loss_reduction: A value of `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`.
      loss_fn: `loss_fn(labels, logits[, features][, loss_reduction])` returning [batch, 1];
        default: sigmoid cross entropy.
      name: Of the head among several.

    Raises:
      ValueError: An argument is wrong; the message names it.
      TypeError: `weight_column` is of another type.

    Example:
      >>> BinaryClassHead(thresholds=[0.2, 0.8]).logits_dimension
      1
    """

    def __init__(
        self,
        weight_column: Any = None,
        thresholds: Sequence[float] | None = None,
        label_vocabulary: Sequence[str] | None = None,
        loss_reduction: str = reductions.SUM_OVER_BATCH_SIZE,
        loss_fn: Callable | None = None,
        name: str | None = None,
    ):
        checks.validate_label_vocabulary(label_vocabulary, 2)
        self._thresholds = checks.validate_thresholds(thresholds)
        super().__init__(weight_column, loss_reduction, loss_fn, name)
        self._vocabulary = label_vocabulary
        self._interpolate_pr = True

    @property
    def logits_dimension(self) -> int:
        """How many logits an example has: 1."""
        return 1

    def with_straight_pr_curve(self) -> BinaryClassHead:
        """Returns this head, made to compute `auc_precision_recall` as the V1 classes did."""
        self._interpolate_pr = False
        return self

    def _process_labels(self, labels: Any, logits: tf.Tensor, on_devices: bool) -> tf.Tensor:
        labels = checks.check_labels(labels, logits, 1)
        if self._vocabulary is not None:
            labels = classes.look_up_labels(labels, self._vocabulary)
        classes.refuse_strings(labels)
        return checks.check_range(tf.cast(labels, tf.float32), 2, on_devices=on_devices)

    def _compute_losses(self, labels: tf.Tensor, logits: tf.Tensor, on_devices: bool) -> tf.Tensor:
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
        return checks.poison_out_of_range(losses, labels, 2, on_devices=on_devices)

    def _predict(self, logits: tf.Tensor, on_devices: bool) -> dict[str, tf.Tensor]:
        two_logits = tf.concat([tf.zeros_like(logits), logits], axis=-1)
        return {
            PredictionKeys.LOGITS: logits,
            PredictionKeys.LOGISTIC: tf.sigmoid(logits),
            **classes.predict_classes(
                tf.nn.softmax(two_logits), two_logits, self._vocabulary, on_devices=on_devices
            ),
        }

    def _export(
        self, predictions: Mapping[str, tf.Tensor], on_devices: bool
    ) -> dict[str, ExportOutput]:
        return {
            **classes.export_classes(predictions, self._vocabulary, on_devices=on_devices),
            keys.REGRESSION: RegressionOutput(predictions[PredictionKeys.LOGISTIC]),
        }

    def _make_metrics(
        self, labels: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor | None
    ) -> dict[str, metric_ops.MetricOp]:
        logistic = tf.sigmoid(logits)
        predicted = tf.cast(logits > 0.0, tf.float32)
        metrics = tf.compat.v1.metrics
        label_mean = metric_ops.mean(labels, weights, MetricKeys.LABEL_MEAN)
        return {
            MetricKeys.ACCURACY: metrics.accuracy(labels, predicted, weights=weights),
            MetricKeys.PRECISION: metrics.precision(labels, predicted, weights=weights),
            MetricKeys.RECALL: metrics.recall(labels, predicted, weights=weights),
            MetricKeys.PREDICTION_MEAN: metric_ops.mean(
                logistic, weights, MetricKeys.PREDICTION_MEAN
            ),
            MetricKeys.LABEL_MEAN: label_mean,
            MetricKeys.ACCURACY_BASELINE: metric_ops.accuracy_baseline(label_mean),
            MetricKeys.AUC: metric_ops.auc(labels, logistic, weights, MetricKeys.AUC),
            MetricKeys.AUC_PR: metric_ops.auc(
                labels,
                logistic,
                weights,
                MetricKeys.AUC_PR,
                curve="PR",
                interpolate=self._interpolate_pr,
            ),
            **metric_ops.at_thresholds(labels, logistic, weights, self._thresholds),
        }
