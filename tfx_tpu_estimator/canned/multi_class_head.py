"""MultiClassHead: a softmax over more than two classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.canned import checks, classes, metric_ops, reductions
from tfx_tpu_estimator.canned.keys import MetricKeys, PredictionKeys
from tfx_tpu_estimator.canned.task_head import TaskHead
from tfx_tpu_estimator.export_output import ExportOutput


class MultiClassHead(TaskHead):
    """Learns one class of several: the API of `tf.estimator.MultiClassHead`.

    Labels are integers from 0 to n_classes - 1, or strings with `label_vocabulary`; [batch] or
    [batch, 1].

    Args:
      n_classes: How many classes, > 2.
      weight_column: Key of the feature with the examples' weights, or a numeric column, or None.
      label_vocabulary: The names of the classes in order, where labels are strings.
      loss_reduction: A value of `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`.
      loss_fn: `loss_fn(labels, logits[, features][, loss_reduction])` returning [batch, 1];
        default: softmax cross entropy.
      name: Of the head among several.

    Raises:
      ValueError: An argument is wrong; the message names it.
      TypeError: `weight_column` is of another type.

    Example:
      >>> MultiClassHead(5).logits_dimension
      5
    """

    def __init__(
        self,
        n_classes: int,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        loss_reduction: str = reductions.SUM_OVER_BATCH_SIZE,
        loss_fn: Callable | None = None,
        name: str | None = None,
    ):
        self._n_classes = _validate_n_classes(n_classes)
        checks.validate_label_vocabulary(label_vocabulary, n_classes)
        super().__init__(weight_column, loss_reduction, loss_fn, name)
        self._vocabulary = label_vocabulary

    @property
    def logits_dimension(self) -> int:
        """How many logits an example has: `n_classes`."""
        return self._n_classes

    def _process_labels(self, labels: Any, logits: tf.Tensor, on_devices: bool) -> tf.Tensor:
        labels = checks.check_labels(labels, logits, 1)
        if self._vocabulary is not None:
            labels = classes.look_up_labels(labels, self._vocabulary)
        classes.refuse_strings(labels)
        if not labels.dtype.is_integer:
            raise ValueError(
                f"Labels dtype should be integer. Instead got {labels.dtype.name}. Cast them in "
                "the input_fn, or use a regression head."
            )
        return checks.check_range(labels, self._n_classes, on_devices=on_devices)

    def _compute_losses(self, labels: tf.Tensor, logits: tf.Tensor, on_devices: bool) -> tf.Tensor:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.squeeze(labels, axis=-1), logits=logits
        )
        losses = tf.expand_dims(losses, axis=-1)
        return checks.poison_out_of_range(losses, labels, self._n_classes, on_devices=on_devices)

    def _predict(self, logits: tf.Tensor, on_devices: bool) -> dict[str, tf.Tensor]:
        return {
            PredictionKeys.LOGITS: logits,
            **classes.predict_classes(
                tf.nn.softmax(logits), logits, self._vocabulary, on_devices=on_devices
            ),
        }

    def _export(
        self, predictions: Mapping[str, tf.Tensor], on_devices: bool
    ) -> dict[str, ExportOutput]:
        return classes.export_classes(predictions, self._vocabulary, on_devices=on_devices)

    def _make_metrics(
        self, labels: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor | None
    ) -> dict[str, metric_ops.MetricOp]:
        predicted = tf.expand_dims(tf.argmax(logits, axis=-1), axis=-1)
        accuracy = tf.compat.v1.metrics.accuracy(
            tf.cast(labels, tf.int64), predicted, weights=weights
        )
        return {MetricKeys.ACCURACY: accuracy}


def _validate_n_classes(n_classes: Any) -> int:
    if n_classes is None:
        raise ValueError("n_classes cannot be None. `n_classes` must be an int > 2.")
    if not isinstance(n_classes, int) or isinstance(n_classes, bool) or n_classes <= 2:
        raise ValueError(
            f"n_classes must be > 2: {n_classes!r}. For two classes use BinaryClassHead, or "
            "n_classes=2 in a classifier."
        )
    return n_classes
