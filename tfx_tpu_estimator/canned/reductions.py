"""From a loss per example to the one number that is trained on, on one replica or several."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.lowering.tf_internals import count_shards

SUM = "weighted_sum"
SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
MEAN = "weighted_mean"
SUM_BY_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"

# TensorFlow 1 and 2 have names of their own for the same reductions.
_NAMES = {
    "weighted_sum": SUM,
    "sum": SUM,
    "weighted_sum_over_batch_size": SUM_OVER_BATCH_SIZE,
    "sum_over_batch_size": SUM_OVER_BATCH_SIZE,
    "auto": SUM_OVER_BATCH_SIZE,
    "weighted_mean": MEAN,
    "weighted_sum_by_nonzero_weights": SUM_BY_NONZERO_WEIGHTS,
    "weighted_sum_over_nonzero_weights": SUM_BY_NONZERO_WEIGHTS,
}


def resolve_loss_reduction(loss_reduction: Any) -> str:
    """Returns the reduction that a value of TensorFlow 1 or 2 stands for.

    Args:
      loss_reduction: A value of `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`.

    Raises:
      ValueError: It is none of them, or NONE, which leaves no loss to train on.

    Example:
      >>> resolve_loss_reduction("sum")
      'weighted_sum'
    """
    if not isinstance(loss_reduction, str) or loss_reduction not in _NAMES:
        raise ValueError(
            f"Invalid loss_reduction: {loss_reduction!r}. `loss_reduction` must be a value of "
            "tf.losses.Reduction or tf.compat.v1.losses.Reduction other than NONE, one of "
            f"{sorted(_NAMES)}."
        )
    return _NAMES[loss_reduction]


def reduce_loss(losses: tf.Tensor, weights: tf.Tensor | None, reduction: str) -> tf.Tensor:
    """Reduces the losses of this replica's examples.

    The mean of what all replicas return is the reduction over the whole batch, for every
    reduction: that is what is reported, and what an optimizer trains on whose gradients are
    averaged over replicas, as CrossShardOptimizer's are.

    Args:
      losses: float32 [batch, n].
      weights: float32 [batch, 1] or [batch, n]; None where all weigh 1.
      reduction: What `resolve_loss_reduction` returned.

    Returns:
      A float32 scalar.
    """
    replicas = count_shards()
    if weights is None:
        weights = tf.ones([], losses.dtype)
    total = tf.reduce_sum(losses * weights)
    if reduction == SUM:
        return total if replicas == 1 else total * replicas
    if reduction == SUM_OVER_BATCH_SIZE:
        return total / tf.cast(tf.size(losses), losses.dtype)
    spread = tf.broadcast_to(weights, tf.shape(losses))
    if reduction == SUM_BY_NONZERO_WEIGHTS:
        spread = tf.cast(tf.not_equal(spread, 0.0), losses.dtype)
    count = tf.reduce_sum(spread)
    if replicas > 1:
        count = tf.compat.v1.tpu.cross_replica_sum(count) / replicas
    return tf.math.divide_no_nan(total, count)


def average_loss(losses: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor:
    """Returns the weighted mean loss of this replica's examples, a float32 scalar.

    Args:
      losses: float32 [batch, n].
      weights: As for `reduce_loss`.
    """
    if weights is None:
        return tf.reduce_mean(losses)
    return tf.reduce_sum(losses * weights) / tf.reduce_sum(weights * tf.ones_like(losses))
