"""MultiHead: several heads on one network, their losses added."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.canned import keys, metric_ops
from tfx_tpu_estimator.canned.head import (
    Head,
    add_head_name,
    add_regularization,
    make_train_op,
    regularization_metric,
    write_loss_summaries,
)
from tfx_tpu_estimator.canned.keys import MetricKeys
from tfx_tpu_estimator.canned.optimizers import reserve_training_scope
from tfx_tpu_estimator.export_output import ExportOutput, PredictOutput
from tfx_tpu_estimator.modes import validate_mode
from tfx_tpu_estimator.specs import ModeKeys, TPUEstimatorSpec


class MultiHead(Head):
    """Learns several things at once: the API of `tf.estimator.MultiHead`.

    Labels are a dict by head name. Logits are a dict by head name, or one tensor that is cut in the
    order of the heads. Predictions have keys (head name, key), metrics `<metric>/<head name>`.

    Args:
      heads: Heads with names.
      head_weights: A weight for the loss of each, or None for 1.

    Raises:
      ValueError: There are no heads, one has no name, two have the same, or the weights are of
        another number.

    Example:
      >>> from tfx_tpu_estimator.canned.regression_heads import RegressionHead
      >>> MultiHead([RegressionHead(name="a"), RegressionHead(2, name="b")]).logits_dimension
      3
    """

    def __init__(self, heads: Sequence[Head], head_weights: Sequence[float] | None = None):
        if not heads:
            raise ValueError(f"Must specify heads. Given: {heads}")
        if head_weights and len(head_weights) != len(heads):
            raise ValueError(
                "heads and head_weights must have the same size. Given len(heads): "
                f"{len(heads)}. Given len(head_weights): {len(head_weights)}."
            )
        for head in heads:
            if not head.name:
                raise ValueError(f"All given heads must have name specified. Given: {head}")
        names = [str(head.name) for head in heads]
        if len(set(names)) != len(names):
            raise ValueError(f"All given heads must have different names. Given: {names}")
        self._heads = dict(zip(names, heads, strict=True))
        self._weights = dict(zip(names, head_weights or [1.0] * len(names), strict=True))

    @property
    def name(self) -> str:
        """The names of the heads, joined by underscores."""
        return "_".join(self._heads)

    @property
    def logits_dimension(self) -> int:
        """How many logits an example has: those of all heads."""
        return sum(head.logits_dimension for head in self._heads.values())

    @property
    def loss_reduction(self) -> str:
        """How the losses of a batch become one, the same for all heads.

        Raises:
          ValueError: It is not the same.
        """
        found = {name: head.loss_reduction for name, head in self._heads.items()}
        if len(set(found.values())) > 1:
            raise ValueError(
                f"The loss_reduction must be the same for different heads. Given: {found}"
            )
        return next(iter(found.values()))

    def loss(
        self,
        labels: Any,
        logits: Any,
        features: Mapping[str, Any] | None = None,
        mode: str | None = None,
        regularization_losses: Sequence[tf.Tensor] | None = None,
    ) -> tf.Tensor:
        """Returns the weighted sum of the heads' losses; see `Head.loss`."""
        labels = self._validate_labels(labels)
        losses = {
            name: self._heads[name].loss(labels[name], part, features=features, mode=mode)
            for name, part in self._split(logits).items()
        }
        return add_regularization(self._add(losses), regularization_losses)[0]

    def predictions(self, logits: Any, keys: Sequence[str] | None = None) -> dict[Any, tf.Tensor]:
        """Returns predictions by (head name, key); see `Head.predictions`."""
        return {
            (name, key): value
            for name, part in self._split(logits).items()
            for key, value in self._heads[name].predictions(part, keys).items()
        }

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
        if mode != ModeKeys.PREDICT:
            labels = self._validate_labels(labels)
        with tf.compat.v1.name_scope(self.name, "multi_head"):
            specs = self._build_parts(features, mode, logits, labels, use_tpu)
            predictions = {
                (name, key): value
                for name, spec in specs.items()
                for key, value in spec.predictions.items()
            }
            if mode == ModeKeys.PREDICT:
                outputs = _merge_outputs({n: spec.export_outputs for n, spec in specs.items()})
                return TPUEstimatorSpec(mode, predictions=predictions, export_outputs=outputs)
            loss = self._add({name: spec.loss for name, spec in specs.items()})
            loss, regularization = add_regularization(loss, regularization_losses)
            if mode == ModeKeys.EVAL:
                metrics = self._merge_metrics(specs, regularization)
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
            key = MetricKeys.LOSS_REGULARIZATION
            write_loss_summaries({MetricKeys.LOSS: loss, key: regularization}, None)
        return TPUEstimatorSpec(mode, predictions=predictions, loss=loss, train_op=train_op)

    def _build_parts(
        self, features: Any, mode: str, logits: Any, labels: Any, use_tpu: bool
    ) -> dict[str, TPUEstimatorSpec]:
        """Returns the spec of each head by its name, with a training step that does nothing."""
        return {
            name: self._heads[name].create_tpu_estimator_spec(
                features=features,
                mode=mode,
                logits=part,
                labels=None if labels is None else labels[name],
                train_op_fn=_train_nothing,
                use_tpu=use_tpu,
            )
            for name, part in self._split(logits).items()
        }

    def _merge_metrics(
        self, specs: Mapping[str, TPUEstimatorSpec], regularization: tf.Tensor | None
    ) -> tuple[Callable, list]:
        """Returns one metric function of all heads, and the tensors it takes."""
        functions = {name: spec.eval_metrics[0] for name, spec in specs.items()}
        tensors: list[Any] = [{name: spec.eval_metrics[1] for name, spec in specs.items()}]
        tensors.append({name: tf.reshape(spec.loss, [1]) for name, spec in specs.items()})
        if regularization is not None:
            tensors.append(tf.reshape(regularization, [1]))

        def metric_fn(parts, losses, regularization=None):
            metrics = {}
            for name, function in functions.items():
                key = f"{MetricKeys.LOSS}/{name}"
                metrics[key] = metric_ops.mean_of_batches(losses[name], "loss")
                metrics.update(function(**parts[name]))
            if regularization is not None:
                for key, metric in regularization_metric(regularization).items():
                    metrics[add_head_name(key, self.name)] = metric
            return metrics

        return metric_fn, tensors

    def _add(self, losses: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return tf.add_n([loss * self._weights[name] for name, loss in losses.items()])

    def _split(self, logits: Any) -> dict[str, Any]:
        """Returns each head's logits by its name."""
        sizes = {name: head.logits_dimension for name, head in self._heads.items()}
        if isinstance(logits, Mapping):
            missing = sorted(set(sizes) - set(logits))
            if missing:
                raise ValueError(
                    f"logits has missing values for head(s): {missing}. Given: {sorted(logits)}."
                )
            return {name: logits[name] for name in sizes}
        logits = tf.convert_to_tensor(logits)
        if logits.shape[-1] != sum(sizes.values()):
            raise ValueError(
                f"Could not split logits of shape {logits.shape} among the heads with individual "
                f"logits dimensions: {sizes}. The last dimension of the logits tensor should equal "
                f"{sum(sizes.values())} but is {logits.shape[-1]}."
            )
        parts = tf.split(logits, list(sizes.values()), axis=-1)
        return dict(zip(sizes, parts, strict=True))

    def _validate_labels(self, labels: Any) -> Mapping[str, Any]:
        if not isinstance(labels, Mapping):
            raise ValueError(
                f"labels must be a dict by head name, {list(self._heads)}. Given: {labels}"
            )
        missing = sorted(set(self._heads) - set(labels))
        if missing:
            raise ValueError(
                f"labels has missing values for head(s): {missing}. Given: {sorted(labels)}."
            )
        return labels


def _train_nothing(loss: tf.Tensor) -> tf.Operation:
    """Stands for the training step of one head of several, which have one step together."""
    del loss
    # Each of the old estimator's heads took a scope, and the optimizer's variables are named by the
    # one that comes after theirs.
    reserve_training_scope()
    return tf.no_op()


def _merge_outputs(by_head: Mapping[str, Mapping[str, ExportOutput]]) -> dict[str, ExportOutput]:
    """Returns the signatures of all heads; the first head's is the default."""
    merged: dict[str, ExportOutput] = {
        keys.SERVING_DEFAULT: next(iter(by_head.values()))[keys.SERVING_DEFAULT]
    }
    predictions = {}
    for name, outputs in by_head.items():
        for key, output in outputs.items():
            merged[name if key == keys.SERVING_DEFAULT else f"{name}/{key}"] = output
            if key == keys.PREDICT and isinstance(output, PredictOutput):
                predictions.update({f"{name}/{k}": v for k, v in output.outputs.items()})
    merged[keys.PREDICT] = PredictOutput(predictions)
    return merged
