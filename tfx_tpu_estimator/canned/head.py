"""Head: what a model does with its logits - loss, predictions, metrics, the training step."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.canned import metric_ops
from tfx_tpu_estimator.canned.keys import MetricKeys
from tfx_tpu_estimator.canned.optimizers import is_optimizer, minimize
from tfx_tpu_estimator.specs import EstimatorSpec, ModeKeys, TPUEstimatorSpec


class Head(abc.ABC):
    """The last part of a model: the API of `tf.estimator.Head`.

    A head of your own has the properties and the methods `loss` and `predictions`, and one of
    `create_tpu_estimator_spec` and, for use without devices only, `create_estimator_spec`.

    Example:
      >>> from tfx_tpu_estimator.canned.binary_head import BinaryClassHead
      >>> isinstance(BinaryClassHead(), Head)
      True
    """

    @property
    @abc.abstractmethod
    def name(self) -> str | None:
        """The name of this head among several, or None."""

    @property
    @abc.abstractmethod
    def logits_dimension(self) -> int:
        """How many logits an example has."""

    @property
    @abc.abstractmethod
    def loss_reduction(self) -> str:
        """How the losses of a batch become one, a value of `tf.losses.Reduction`."""

    @abc.abstractmethod
    def loss(
        self,
        labels: Any,
        logits: Any,
        features: Mapping[str, Any] | None = None,
        mode: str | None = None,
        regularization_losses: Sequence[tf.Tensor] | None = None,
    ) -> tf.Tensor:
        """Returns the loss to train on, a float32 scalar.

        Args:
          labels: What the input_fn returned.
          logits: float32 [batch, logits_dimension].
          features: Of the batch; the weight column is looked up there.
          mode: A value of `ModeKeys`.
          regularization_losses: Scalars to add.
        """

    @abc.abstractmethod
    def predictions(self, logits: Any, keys: Sequence[str] | None = None) -> dict[Any, tf.Tensor]:
        """Returns predictions by key.

        Args:
          logits: float32 [batch, logits_dimension].
          keys: Of `PredictionKeys`; None for all.
        """

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
        """Returns what a model_fn for TPUEstimator returns.

        Args:
          features: As the model_fn got them.
          mode: A value of `ModeKeys`.
          logits: float32 [batch, logits_dimension].
          labels: As the model_fn got them; None in PREDICT.
          optimizer: A tf.compat.v1.train.Optimizer or a tf.keras.optimizers.legacy.Optimizer;
            with `use_tpu` its gradients are averaged over the replicas (a CrossShardOptimizer is
            taken as it is).
          trainable_variables: What to train; None for all trainable variables.
          train_op_fn: Instead of `optimizer`: gets the loss, returns the training operation. With
            `use_tpu` it has to average gradients over replicas itself: the mean of all replicas'
            losses is the loss of the batch.
          update_ops: Operations to run with every training step, besides those that layers put
            into the collection UPDATE_OPS.
          regularization_losses: Scalars to add to the loss.
          use_tpu: params['use_tpu'] of the model_fn. On devices, predictions that are strings
            (`classes`, `all_classes`) are left out, and a label out of range makes the loss NaN.

        Raises:
          ValueError: Labels, logits or weights do not fit the head; or not exactly one of
            `optimizer` and `train_op_fn` is given in TRAIN.
          TypeError: A head of the user's own has no such method.
        """
        raise TypeError(
            f"{type(self).__name__} has no create_tpu_estimator_spec. A subclass of Head must "
            "implement it to run on devices; `create_estimator_spec` is enough without."
        )

    def create_estimator_spec(
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
    ) -> EstimatorSpec:
        """Returns what a model_fn for Estimator returns.

        Args:
          features: As the model_fn got them.
          mode: A value of `ModeKeys`.
          logits: float32 [batch, logits_dimension].
          labels: As the model_fn got them; None in PREDICT.
          optimizer: As for `create_tpu_estimator_spec`.
          trainable_variables: What to train; None for all trainable variables.
          train_op_fn: Instead of `optimizer`: gets the loss, returns the training operation.
          update_ops: As for `create_tpu_estimator_spec`.
          regularization_losses: Scalars to add to the loss.

        Raises:
          ValueError: As `create_tpu_estimator_spec` raises.
        """
        return self.create_tpu_estimator_spec(
            features=features,
            mode=mode,
            logits=logits,
            labels=labels,
            optimizer=optimizer,
            trainable_variables=trainable_variables,
            train_op_fn=train_op_fn,
            update_ops=update_ops,
            regularization_losses=regularization_losses,
            use_tpu=False,
        ).as_estimator_spec()


def make_train_op(
    loss: tf.Tensor,
    *,
    optimizer: Any,
    train_op_fn: Callable[[tf.Tensor], Any] | None,
    variables: Sequence[Any] | None,
    update_ops: Sequence[Any] | None,
    use_tpu: bool,
) -> Any:
    """Returns the training operation of a head.

    Raises:
      ValueError: Not exactly one of `optimizer` and `train_op_fn` is given, or one of the others is
        of another type.
    """
    _validate_training(optimizer, train_op_fn, variables, update_ops)
    if train_op_fn is not None:
        train_op = train_op_fn(loss)
    else:
        train_op = minimize(
            optimizer,
            loss,
            variables=variables,
            global_step=tf.compat.v1.train.get_global_step(),
            on_devices=use_tpu,
        )
    updates = list(update_ops or ())
    known = {id(op) for op in updates}
    collected = tf.compat.v1.get_collection(tf.compat.v1.GraphKeys.UPDATE_OPS)
    updates += [op for op in collected if id(op) not in known]
    return tf.group(train_op, *updates) if updates else train_op


def _validate_training(optimizer: Any, train_op_fn: Any, variables: Any, update_ops: Any) -> None:
    if optimizer is not None and train_op_fn is not None:
        raise ValueError("train_op_fn and optimizer cannot both be set. Give one of them.")
    if optimizer is None and train_op_fn is None:
        raise ValueError("train_op_fn and optimizer cannot both be None. Give one of them.")
    if optimizer is not None and not is_optimizer(optimizer):
        raise ValueError(
            "The given optimizer is not a tf.compat.v1.train.Optimizer or a "
            f"tf.keras.optimizers.legacy.Optimizer; got {optimizer!r} for `optimizer`."
        )
    for name, value in (("trainable_variables", variables), ("update_ops", update_ops)):
        if value is not None and not isinstance(value, list | tuple):
            raise ValueError(f"{name} should be a list or a tuple. Given type: {type(value)}.")


def add_regularization(
    loss: tf.Tensor, regularization_losses: Sequence[tf.Tensor] | None
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Returns the loss with the regularization losses added, and their sum or None."""
    if not regularization_losses:
        return loss, None
    regularization = tf.add_n(list(regularization_losses))
    return loss + regularization, regularization


def write_loss_summaries(values: Mapping[str, tf.Tensor | None], head_name: str | None) -> None:
    """Makes scalar summaries at the root of the graph's names.

    Args:
      values: Scalars by metric key; None where there is none.
      head_name: Of the head, or None.
    """
    with tf.compat.v1.get_default_graph().name_scope(None):
        for key, value in values.items():
            if value is not None:
                tf.compat.v1.summary.scalar(add_head_name(key, head_name), value)


def add_head_name(key: str, head_name: str | None) -> str:
    """Returns the key under which the head of that name reports a metric."""
    return f"{key}/{head_name}" if head_name else key


def regularization_metric(values: tf.Tensor) -> dict[str, metric_ops.MetricOp]:
    """Returns the metric of the regularization loss, as every head has it."""
    key = MetricKeys.LOSS_REGULARIZATION
    return {key: metric_ops.mean_of_batches(values, key)}


def is_training(mode: str) -> bool:
    """Tells whether a model is built to be trained."""
    return mode == ModeKeys.TRAIN
