"""Metrics of heads as TensorFlow 1 metric operations: pairs (value, update)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.canned.keys import MetricKeys

MetricOp = tuple[tf.Tensor, Any]

_metrics = tf.compat.v1.metrics


def spread_weights(weights: tf.Tensor | None, values: tf.Tensor) -> tf.Tensor | None:
    """Returns the weights in the shape of what they weigh."""
    return None if weights is None else weights * tf.ones_like(values)


def mean(values: tf.Tensor, weights: tf.Tensor | None, name: str) -> MetricOp:
    """The weighted mean of [batch, n]."""
    values = tf.cast(values, tf.float32)
    return _metrics.mean(values, weights=spread_weights(weights, values), name=name)


def mean_of_batches(values: tf.Tensor, name: str) -> MetricOp:
    """The mean of numbers that each stand for a batch.

    Args:
      values: A scalar, or [replicas]: every replica's number, whose mean is the batch's.
      name: Of the metric.
    """
    return _metrics.mean(tf.reduce_mean(values), name=name)


def auc(
    labels: tf.Tensor,
    predictions: tf.Tensor,
    weights: tf.Tensor | None,
    name: str,
    *,
    curve: str = "ROC",
    interpolate: bool = False,
) -> MetricOp:
    """The area under a curve of 200 thresholds.

    Args:
      labels: 0 or 1, [batch, n].
      predictions: Probabilities [batch, n].
      weights: [batch, 1] or None.
      name: Of the metric.
      curve: ROC or PR.
      interpolate: Whether the PR curve is interpolated between thresholds as Keras does, or
        joined by straight lines as TensorFlow 1 does.
    """
    return _metrics.auc(
        labels=labels,
        predictions=predictions,
        weights=spread_weights(weights, predictions),
        curve=curve,
        summation_method="careful_interpolation" if interpolate else "trapezoidal",
        name=name,
    )


def accuracy_baseline(label_mean: MetricOp) -> MetricOp:
    """The accuracy of always predicting the more frequent of two classes."""
    value, update = label_mean
    return tf.maximum(value, 1.0 - value), tf.maximum(update, 1.0 - update)


def at_thresholds(
    labels: tf.Tensor,
    probabilities: tf.Tensor,
    weights: tf.Tensor | None,
    thresholds: Sequence[float],
) -> dict[str, MetricOp]:
    """Accuracy, precision and recall if all above a threshold were positive.

    Args:
      labels: 0 or 1, [batch, n].
      probabilities: [batch, n].
      weights: [batch, 1] or None.
      thresholds: Between 0 and 1.

    Returns:
      Metrics by key.
    """
    found = {}
    for threshold in thresholds:
        positive = tf.cast(probabilities > threshold, tf.float32)
        spread = spread_weights(weights, positive)
        found[MetricKeys.ACCURACY_AT_THRESHOLD % threshold] = _metrics.accuracy(
            labels, positive, weights=spread
        )
        found[MetricKeys.PRECISION_AT_THRESHOLD % threshold] = _metrics.precision(
            labels, positive, weights=spread
        )
        found[MetricKeys.RECALL_AT_THRESHOLD % threshold] = _metrics.recall(
            labels, positive, weights=spread
        )
    return found
