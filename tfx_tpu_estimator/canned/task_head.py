"""TaskHead: a head that learns one thing; what every such head does in the same way."""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.canned import checks, metric_ops, reductions
from tfx_tpu_estimator.canned.head import (
    Head,
    add_head_name,
    add_regularization,
    make_train_op,
    regularization_metric,
    write_loss_summaries,
)
from tfx_tpu_estimator.canned.keys import MetricKeys
from tfx_tpu_estimator.export_output import ExportOutput
from tfx_tpu_estimator.modes import validate_mode
from tfx_tpu_estimator.specs import ModeKeys, TPUEstimatorSpec


@dataclasses.dataclass(frozen=True, kw_only=True)
class Losses:
    """The losses of a batch.

    Attributes:
      labels: As the head understands them, [batch, n].
      unweighted: float32 [batch, m].
      weights: float32 [batch, 1] or [batch, m], or None.
      reduced: float32 scalar, without regularization.
    """

    labels: tf.Tensor
    unweighted: tf.Tensor
    weights: tf.Tensor | None
    reduced: tf.Tensor


class TaskHead(Head):
    """A head with one loss.

    Args:
      weight_column: Key of the feature with the examples' weights, or a numeric column, or None.
      loss_reduction: As `resolve_loss_reduction` takes it.
      loss_fn: `loss_fn(labels, logits[, features][, loss_reduction])` returning [batch, n] in
        place of the head's own loss, or None.
      name: Of the head among several, or None.
    """

    def __init__(
        self,
        weight_column: Any,
        loss_reduction: str,
        loss_fn: Callable | None,
        name: str | None,
    ):
        checks.validate_weight_column(weight_column)
        checks.validate_loss_fn(loss_fn)
        self._reduction = reductions.resolve_loss_reduction(loss_reduction)
        self._loss_reduction = loss_reduction
        self._weight_column = weight_column
        self._loss_fn = loss_fn
        self._name = name

    @property
    def name(self) -> str | None:
        """The name of this head among several, or None."""
        return self._name

    @property
    def loss_reduction(self) -> str:
        """How the losses of a batch become one, as it was given."""
        return self._loss_reduction

    # What a kind of head has to say.

    @abc.abstractmethod
    def _process_labels(self, labels: Any, logits: tf.Tensor, on_devices: bool) -> tf.Tensor:
        """Returns checked labels as the loss and the metrics take them."""

    @abc.abstractmethod
    def _compute_losses(self, labels: tf.Tensor, logits: tf.Tensor, on_devices: bool) -> tf.Tensor:
        """Returns the head's own loss per example, [batch, n]."""

    @abc.abstractmethod
    def _predict(self, logits: tf.Tensor, on_devices: bool) -> dict[str, tf.Tensor]:
        """Returns all predictions by key."""

    @abc.abstractmethod
    def _export(
        self, predictions: Mapping[str, tf.Tensor], on_devices: bool
    ) -> dict[str, ExportOutput]:
        """Returns the signatures of an export by name."""

    @abc.abstractmethod
    def _make_metrics(
        self, labels: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor | None
    ) -> dict[str, metric_ops.MetricOp]:
        """Returns the head's metrics by key, but for those of losses; called on the host."""

    # What follows from it.

    def loss(
        self,
        labels: Any,
        logits: Any,
        features: Mapping[str, Any] | None = None,
        mode: str | None = None,
        regularization_losses: Sequence[tf.Tensor] | None = None,
    ) -> tf.Tensor:
        """Returns the loss to train on; see `Head.loss`."""
        del mode
        logits = checks.check_logits(logits, self.logits_dimension)
        losses = self._build_losses(labels, logits, features, on_devices=False)
        return add_regularization(losses.reduced, regularization_losses)[0]

    def predictions(self, logits: Any, keys: Sequence[str] | None = None) -> dict[Any, tf.Tensor]:
        """Returns predictions by key; see `Head.predictions`.

        Raises:
          ValueError: A key is not one of this head's.
        """
        logits = checks.check_logits(logits, self.logits_dimension)
        found = self._predict(logits, on_devices=False)
        unknown = [key for key in keys or () if key not in found]
        if unknown:
            raise ValueError(
                f"Prediction key must be in PredictionKeys, given: {unknown}. Valid prediction "
                f"keys include {sorted(found)}."
            )
        return {key: found[key] for key in keys} if keys else found

    def create_tpu_estimator_spec(
        self,
        features: Mapping[str, Any],
        mode: str,
        logits: Any,
        labels: Any = None,
        optimizer: Any = None,
        trainable_variables: Sequence[Any] | None = None,
        train_op_fn: Callable[[tf.Tensor], Any] | None = None,
        update_ops: Sequence[Any] | None = None,
        regularization_losses: Sequence[tf.Tensor] | None = None,
        use_tpu: bool = True,
    ) -> TPUEstimatorSpec:
        """Returns what a model_fn for TPUEstimator returns; see `Head`."""
        validate_mode(mode)
        with self._name_scope():
            logits = checks.check_logits(logits, self.logits_dimension)
            with tf.name_scope("predictions"):
                predictions = self._predict(logits, use_tpu)
            if mode == ModeKeys.PREDICT:
                outputs = self._export(predictions, use_tpu)
                return TPUEstimatorSpec(mode, predictions=predictions, export_outputs=outputs)
            losses = self._build_losses(labels, logits, features, on_devices=use_tpu)
            loss, regularization = add_regularization(losses.reduced, regularization_losses)
            if mode == ModeKeys.EVAL:
                metrics = self._evaluation(logits, losses, regularization)
                return TPUEstimatorSpec(
                    mode, predictions=predictions, loss=loss, eval_metrics=metrics
                )
            train_op = make_train_op(
                loss,
                optimizer=optimizer,
                train_op_fn=train_op_fn,
                variables=trainable_variables,
                update_ops=update_ops,
                use_tpu=use_tpu,
            )
        if not use_tpu:
            self._write_summaries(loss, losses, regularization)
        return TPUEstimatorSpec(mode, predictions=predictions, loss=loss, train_op=train_op)

    @contextlib.contextmanager
    def _name_scope(self) -> Iterator[None]:
        # Adam's variables beta1_power and beta2_power get their names, and so their place in
        # checkpoints, from this scope.
        with tf.compat.v1.name_scope(self._name, "head"):
            yield

    def _build_losses(
        self, labels: Any, logits: tf.Tensor, features: Any, on_devices: bool
    ) -> Losses:
        with tf.name_scope("losses"):
            labels = self._process_labels(labels, logits, on_devices)
            if self._loss_fn is None:
                unweighted = self._compute_losses(labels, logits, on_devices)
            else:
                unweighted = self._call_loss_fn(labels, logits, features)
            weights = checks.read_weights(
                features,
                self._weight_column,
                logits,
                per_logit=unweighted.shape[-1] == self.logits_dimension > 1,
            )
            reduced = reductions.reduce_loss(unweighted, weights, self._reduction)
        return Losses(labels=labels, unweighted=unweighted, weights=weights, reduced=reduced)

    def _call_loss_fn(self, labels: tf.Tensor, logits: tf.Tensor, features: Any) -> tf.Tensor:
        """Calls the user's loss and checks the shape of what it returns."""
        assert self._loss_fn is not None
        offered = {"features": features, "loss_reduction": self._loss_reduction}
        takes = inspect.signature(self._loss_fn).parameters
        extra = {name: value for name, value in offered.items() if name in takes}
        losses = tf.convert_to_tensor(self._loss_fn(labels=labels, logits=logits, **extra))
        allowed = tf.TensorShape(logits.shape[:-1]).concatenate([None])
        if not losses.shape.is_compatible_with(allowed):
            raise ValueError(
                "loss_fn must return Tensor of shape [D0, D1, ... DN, n], a loss for each example; "
                f"logits_shape: {logits.shape}, loss_shape: {losses.shape}."
            )
        return losses

    def _write_summaries(
        self, loss: tf.Tensor, losses: Losses, regularization: tf.Tensor | None
    ) -> None:
        values = {MetricKeys.LOSS: loss, MetricKeys.LOSS_REGULARIZATION: regularization}
        if self._reduction == reductions.SUM:
            values[MetricKeys.LOSS_MEAN] = reductions.average_loss(
                losses.unweighted, losses.weights
            )
        write_loss_summaries(values, self._name)

    def _evaluation(
        self, logits: tf.Tensor, losses: Losses, regularization: tf.Tensor | None
    ) -> tuple[Callable, dict[str, tf.Tensor]]:
        """Returns the metric function, which runs on the host, and its batch-major tensors."""
        tensors = {"labels": losses.labels, "logits": logits, "losses": losses.unweighted}
        if losses.weights is not None:
            tensors["weights"] = losses.weights
        if regularization is not None:
            tensors["regularization"] = tf.reshape(regularization, [1])

        def metric_fn(labels, logits, losses, weights=None, regularization=None):
            with tf.name_scope("metrics"):
                key = MetricKeys.LOSS_MEAN
                metrics = {key: metric_ops.mean(losses, weights, key)}
                metrics.update(self._make_metrics(labels, logits, weights))
                if regularization is not None:
                    metrics.update(regularization_metric(regularization))
            return {add_head_name(key, self._name): metric for key, metric in metrics.items()}

        return metric_fn, tensors
