"""MultiLabelHead: any number of classes may be true of an example."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.canned import checks, classes, metric_ops, reductions
from tfx_tpu_estimator.canned.keys import MetricKeys, PredictionKeys
from tfx_tpu_estimator.canned.task_head import TaskHead
from tfx_tpu_estimator.export_output import ExportOutput


class MultiLabelHead(TaskHead):
    """Learns which of several classes hold: the API of `tf.estimator.MultiLabelHead`.

    Labels are integers 0 or 1, [batch, n_classes]; or, not on devices, a SparseTensor of class
    numbers, or of class names with `label_vocabulary`.

    Args:
      n_classes: How many classes, > 1.
      weight_column: Key of the feature with the examples' weights, or a numeric column, or None.
      thresholds: Between 0 and 1; adds accuracy, precision and recall at each.
      label_vocabulary: The names of the classes in order.
      loss_reduction: A value of `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`.
      loss_fn: `loss_fn(labels, logits[, features][, loss_reduction])` returning [batch, 1];
        default: sigmoid cross entropy, averaged over classes.
      classes_for_class_based_metrics: Numbers or names of classes to report metrics of one by one.
      name: Of the head among several.

    Raises:
      ValueError: An argument is wrong; the message names it.
      TypeError: `weight_column` is of another type.

    Example:
      >>> MultiLabelHead(3).logits_dimension
      3
    """

    def __init__(
        self,
        n_classes: int,
        weight_column: Any = None,
        thresholds: Sequence[float] | None = None,
        label_vocabulary: Sequence[str] | None = None,
        loss_reduction: str = reductions.SUM_OVER_BATCH_SIZE,
        loss_fn: Callable | None = None,
        classes_for_class_based_metrics: Sequence[int | str] | None = None,
        name: str | None = None,
    ):
        if not isinstance(n_classes, int) or n_classes < 2:
            raise ValueError(
                f"n_classes must be > 1 for multi-label classification. Given: {n_classes!r}."
            )
        checks.validate_label_vocabulary(label_vocabulary, n_classes)
        super().__init__(weight_column, loss_reduction, loss_fn, name)
        self._n_classes = n_classes
        self._thresholds = checks.validate_thresholds(thresholds)
        self._vocabulary = label_vocabulary
        self._reported = _resolve_classes(
            classes_for_class_based_metrics, n_classes, label_vocabulary
        )

    @property
    def logits_dimension(self) -> int:
        """How many logits an example has: `n_classes`."""
        return self._n_classes

    def _process_labels(self, labels: Any, logits: tf.Tensor, on_devices: bool) -> tf.Tensor:
        if isinstance(labels, tf.SparseTensor):
            labels = self._to_indicator(labels)
        labels = checks.check_labels(labels, logits, self._n_classes)
        classes.refuse_strings(labels)
        message = "labels must be an integer indicator Tensor with values in [0, 1]"
        return checks.check_range(labels, 2, on_devices=on_devices, message=message)

    def _to_indicator(self, labels: tf.SparseTensor) -> tf.Tensor:
        """Returns 0 or 1 per class, int64 [batch, n_classes], for sparse classes."""
        if labels.dtype == tf.string and self._vocabulary is not None:
            ids = classes.look_up_labels(labels.values, self._vocabulary)
        else:
            ids = labels.values
        if not ids.dtype.is_integer:
            raise ValueError(
                f"Labels dtype should be integer. Instead got {ids.dtype.name}. Give "
                "`label_vocabulary` for labels that are strings."
            )
        message = (
            f"labels must be an integer SparseTensor with values in [0, {self._n_classes}), or "
            "strings of label_vocabulary"
        )
        ids = checks.check_range(ids, self._n_classes, on_devices=False, message=message)
        sparse = tf.SparseTensor(labels.indices, tf.cast(ids, tf.int64), labels.dense_shape)
        return tf.cast(tf.sparse.to_indicator(sparse, self._n_classes), tf.int64)

    def _compute_losses(self, labels: tf.Tensor, logits: tf.Tensor, on_devices: bool) -> tf.Tensor:
        losses = tf.nn.sigmoid_cross_entropy_with_logits(
            labels=tf.cast(labels, tf.float32), logits=logits
        )
        losses = tf.reduce_mean(losses, axis=-1, keepdims=True)
        return checks.poison_out_of_range(losses, labels, 2, on_devices=on_devices)

    def _predict(self, logits: tf.Tensor, on_devices: bool) -> dict[str, tf.Tensor]:
        found = {
            PredictionKeys.LOGITS: logits,
            PredictionKeys.PROBABILITIES: tf.sigmoid(logits),
        }
        if not on_devices:
            found[PredictionKeys.CLASSES] = classes.name_all_classes(logits, self._vocabulary)
        return found

    def _export(
        self, predictions: Mapping[str, tf.Tensor], on_devices: bool
    ) -> dict[str, ExportOutput]:
        return classes.export_classes(predictions, self._vocabulary, on_devices=on_devices)

    def _make_metrics(
        self, labels: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor | None
    ) -> dict[str, metric_ops.MetricOp]:
        probabilities = tf.sigmoid(logits)
        metrics = {
            MetricKeys.AUC: metric_ops.auc(labels, probabilities, weights, MetricKeys.AUC),
            MetricKeys.AUC_PR: _auc_pr(labels, probabilities, weights, MetricKeys.AUC_PR),
            **metric_ops.at_thresholds(labels, probabilities, weights, self._thresholds),
        }
        for number in self._reported:
            metrics.update(self._class_metrics(number, labels, probabilities, weights))
        return metrics

    def _class_metrics(
        self, number: int, labels: tf.Tensor, probabilities: tf.Tensor, weights: Any
    ) -> dict[str, metric_ops.MetricOp]:
        """Returns the metrics of one class."""
        if self._vocabulary is None:
            mean_key = MetricKeys.PROBABILITY_MEAN_AT_CLASS % number
            auc_key = MetricKeys.AUC_AT_CLASS % number
            pr_key = MetricKeys.AUC_PR_AT_CLASS % number
        else:
            called = self._vocabulary[number]
            mean_key = MetricKeys.PROBABILITY_MEAN_AT_NAME % called
            auc_key = MetricKeys.AUC_AT_NAME % called
            pr_key = MetricKeys.AUC_PR_AT_NAME % called
        labels = tf.gather(labels, [number], axis=-1)
        probabilities = tf.gather(probabilities, [number], axis=-1)
        return {
            mean_key: metric_ops.mean(probabilities, weights, "probability_mean"),
            auc_key: metric_ops.auc(labels, probabilities, weights, MetricKeys.AUC),
            pr_key: _auc_pr(labels, probabilities, weights, MetricKeys.AUC_PR),
        }


def _auc_pr(
    labels: tf.Tensor, probabilities: tf.Tensor, weights: tf.Tensor | None, name: str
) -> metric_ops.MetricOp:
    return metric_ops.auc(labels, probabilities, weights, name, curve="PR", interpolate=True)


def _resolve_classes(
    wanted: Sequence[int | str] | None, n_classes: int, vocabulary: Sequence[str] | None
) -> tuple[int, ...]:
    """Returns the numbers of classes given by number or by name."""
    numbers = []
    for item in wanted or ():
        if isinstance(item, str):
            if vocabulary is None:
                raise ValueError(
                    "label_vocabulary must be provided when classes_for_class_based_metrics are "
                    f"strings. Given: {list(wanted or ())}."
                )
            if item not in vocabulary:
                raise ValueError(
                    f"All classes_for_class_based_metrics must be in `label_vocabulary` "
                    f"{list(vocabulary)}. Given: {item!r}."
                )
            item = list(vocabulary).index(item)
        if not 0 <= item < n_classes:
            raise ValueError(
                "All classes_for_class_based_metrics must be in range "
                f"[0, {n_classes - 1}]. Given: {item}."
            )
        numbers.append(item)
    return tuple(numbers)
