"""The signature of a metagraph for training or evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.specs import EstimatorSpec, ModeKeys

_METHODS = {
    ModeKeys.TRAIN: "tensorflow/supervised/training",
    ModeKeys.EVAL: "tensorflow/supervised/eval",
}
_LOSS = "loss"
_PREDICTIONS = "predictions"
_METRICS = "metrics"


def build_supervised_signature(receiver_tensors: Mapping[str, tf.Tensor], spec: EstimatorSpec):
    """Returns the SignatureDef of a graph in mode TRAIN or EVAL.

    Its outputs are `loss`, `predictions/<key>` (`predictions` if they are one tensor),
    `metrics/<name>/value` and `metrics/<name>/update_op`. A name that begins so already is kept.

    Args:
      receiver_tensors: {name: placeholder} that are fed.
      spec: What the model_fn returned.

    Raises:
      ValueError: A key of the predictions or a name of a metric is no string.
    """
    outputs = {
        _LOSS: spec.loss,
        **name_outputs(spec.predictions, _PREDICTIONS),
        **name_metrics(spec.eval_metric_ops),
    }
    return build_signature(receiver_tensors, outputs, spec.mode)


def build_signature(
    receiver_tensors: Mapping[str, tf.Tensor], outputs: Mapping[str, tf.Tensor], mode: str
) -> Any:
    """Returns the SignatureDef for a mode, TRAIN or EVAL, from named tensors."""
    signature = tf.compat.v1.saved_model.predict_signature_def(
        dict(receiver_tensors), dict(outputs)
    )
    signature.method_name = _METHODS[mode]
    return signature


def name_metrics(metrics: Mapping[Any, tuple[Any, Any]] | None) -> dict[str, tf.Tensor]:
    """Returns {`metrics/<name>/value` or `metrics/<name>/update_op`: tensor}.

    Args:
      metrics: {name: (value, update)}, or None.

    Raises:
      ValueError: A name is no string.
    """
    outputs = {}
    for name, (value, update) in (metrics or {}).items():
        prefix = _prefix(name, _METRICS)
        outputs[f"{prefix}/value"] = value
        outputs[f"{prefix}/update_op"] = _to_tensor(update)
    return outputs


def name_outputs(tensors: Any, prefix: str) -> dict[str, Any]:
    """Returns {`<prefix>/<key>`: tensor}, or {`<prefix>`: tensor} of a single one.

    Args:
      tensors: A tensor, {key: tensor} or None.
      prefix: `loss` or `predictions`.

    Raises:
      ValueError: A key is no string.
    """
    if tensors is None:
        return {}
    if not isinstance(tensors, Mapping):
        return {prefix: tensors}
    return {_prefix(key, prefix): value for key, value in tensors.items()}


def _prefix(key: Any, prefix: str) -> str:
    # Heads have keys of several parts.
    name = "/".join(key) if isinstance(key, tuple) else key
    if not isinstance(name, str):
        raise ValueError(f"A key of the exported {prefix} must be a string; got {key!r}.")
    return name if name.startswith(prefix) else f"{prefix}/{name}"


def _to_tensor(update: Any) -> tf.Tensor:
    """A signature has tensors only: an operation becomes an empty one that waits for it."""
    if isinstance(update, tf.Tensor):
        return update
    if not isinstance(update, tf.Operation):
        return tf.convert_to_tensor(update)
    with tf.control_dependencies([update]):
        return tf.constant([], name="metric_op_wrapper")
