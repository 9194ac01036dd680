"""Checks of the parts of a spec; each raises, or returns the part in its final form.

All graph checks are against the default graph: a spec is built where its model was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.export_output import ExportOutput, PredictOutput
from tfx_tpu_estimator.keras_metrics import convert_keras_metric, is_keras_metric
from tfx_tpu_estimator.modes import ModeKeys

_DEFAULT_SIGNATURE = tf.compat.v1.saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY


def validate_train_op(train_op: Any, mode: str) -> Any:
    """Checks the operation that does one training step.

    Args:
        train_op: Operation, Tensor or what assigning a variable returns; None is allowed outside
            TRAIN.
        mode: one of ModeKeys.

    Returns:
        `train_op`; the operation behind an assigned variable.

    Raises:
        ValueError: if it is missing in TRAIN or belongs to another graph.
        TypeError: if it is neither an Operation nor a Tensor.
    """
    if train_op is None:
        if mode == ModeKeys.TRAIN:
            raise ValueError(
                "Missing train_op: in mode 'train' a model_fn must return the `train_op`, "
                "for example optimizer.minimize(loss, global_step)."
            )
        return None
    _validate_op_or_tensor(train_op, "train_op")
    return train_op.op if isinstance(train_op, tf.Variable) else train_op


def validate_loss(loss: Any, mode: str) -> Any:
    """Checks the loss and gives it the shape of a scalar.

    Args:
        loss: Tensor with one element; None is allowed in PREDICT.
        mode: one of ModeKeys.

    Returns:
        `loss`, reshaped to [] if it has one element but a rank above 0.

    Raises:
        ValueError: if it is missing, not a scalar, or of another graph.
        TypeError: if it is not a Tensor.
    """
    if loss is None:
        if mode in (ModeKeys.TRAIN, ModeKeys.EVAL):
            raise ValueError(f"Missing loss: in mode {mode!r} a model_fn must return the `loss`.")
        return None
    _validate_tensor(loss, "loss")
    # An unknown number of elements is accepted: the graph will tell when it runs.
    if loss.shape.num_elements() not in (None, 1):
        raise ValueError(
            f"Loss must be scalar; got `loss` = {loss}. Reduce it, for example with tf.reduce_mean."
        )
    if not loss.shape.is_compatible_with([]):
        loss = tf.reshape(loss, [])
    return loss


def validate_predictions(predictions: Any, mode: str) -> Any:
    """Checks the predictions.

    Args:
        predictions: Tensor or dict of Tensors; None is allowed outside PREDICT.
        mode: one of ModeKeys.

    Returns:
        `predictions`; an empty dict instead of None.

    Raises:
        ValueError: if they are missing in PREDICT or belong to another graph.
        TypeError: if a value is not a Tensor.
    """
    if predictions is None:
        if mode == ModeKeys.PREDICT:
            raise ValueError(
                "Missing predictions: in mode 'infer' a model_fn must return `predictions`, "
                "a Tensor or a dict of Tensors."
            )
        return {}
    if isinstance(predictions, Mapping):
        for key, value in predictions.items():
            _validate_tensor(value, f"predictions[{key}]")
    else:
        _validate_tensor(predictions, "predictions")
    return predictions


def validate_eval_metric_ops(eval_metric_ops: Any) -> dict[str, tuple[Any, Any]]:
    """Checks the metrics of an evaluation.

    Args:
        eval_metric_ops: dict of name to (metric_value, update_op) or to a Keras 2 metric that
            was updated in this graph, or None.

    Returns:
        A dict of pairs; empty instead of None.

    Raises:
        TypeError: if it is not such a dict.
        ValueError: if a value belongs to another graph or a Keras metric was never updated.
    """
    if eval_metric_ops is None:
        return {}
    if not isinstance(eval_metric_ops, Mapping):
        raise TypeError(
            f"eval_metric_ops must be a dict of name to (metric_value, update_op); "
            f"got {eval_metric_ops!r}."
        )
    metrics = {}
    for name, pair in eval_metric_ops.items():
        if is_keras_metric(pair):
            pair = convert_keras_metric(pair, name)
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError(
                "Values of eval_metric_ops must be (metric_value, update_op) tuples, as the "
                f"functions of tf.compat.v1.metrics return them; got {pair!r} for {name!r}."
            )
        for part in pair:
            _validate_op_or_tensor(part, f"eval_metric_ops[{name}]")
        metrics[name] = pair
    return metrics


def validate_export_outputs(export_outputs: Any, predictions: Any, mode: str) -> Any:
    """Checks the signatures to export and makes sure that one of them is the default.

    Args:
        export_outputs: dict of name to ExportOutput, or None.
        predictions: the checked predictions, for the default signature.
        mode: one of ModeKeys; only PREDICT is exported, so only there it matters.

    Returns:
        In PREDICT a dict with 'serving_default' in it: the only output also under that name, or
        all predictions if none was given. Otherwise what was given.

    Raises:
        TypeError: if it is not a dict of ExportOutputs.
        ValueError: if there are several and none is the default.
    """
    if mode != ModeKeys.PREDICT:
        return export_outputs
    if export_outputs is None:
        return _make_default_outputs(predictions)
    if not isinstance(export_outputs, Mapping):
        raise TypeError(
            f"export_outputs must be dict of name to ExportOutput; got {export_outputs!r}."
        )
    for output in export_outputs.values():
        if not isinstance(output, ExportOutput):
            raise TypeError(
                "Values in export_outputs must be ExportOutput objects. "
                f"Got {dict(export_outputs)!r}; use PredictOutput, ClassificationOutput or "
                "RegressionOutput."
            )
    outputs = dict(export_outputs)
    if len(outputs) == 1:
        outputs.setdefault(_DEFAULT_SIGNATURE, next(iter(outputs.values())))
    elif len(outputs) > 1 and _DEFAULT_SIGNATURE not in outputs:
        raise ValueError(
            "Multiple export_outputs were provided, but none of them is the default. "
            f"Got {sorted(outputs)}; name one of them {_DEFAULT_SIGNATURE!r} "
            "(signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY)."
        )
    return outputs


def validate_hooks(hooks: Any, what: str) -> tuple[Any, ...]:
    """Checks hooks that a model_fn returns.

    Args:
        hooks: iterable of SessionRunHooks, or None.
        what: the argument's name, for the message.

    Returns:
        A tuple; empty instead of None.

    Raises:
        TypeError: if one of them is not a SessionRunHook.
    """
    if hooks is None:
        return ()
    if not isinstance(hooks, Iterable):
        raise TypeError(
            f"All hooks must be SessionRunHook instances; got `{what}` = {hooks!r}, "
            "give a list of hooks."
        )
    hooks = tuple(hooks)
    for hook in hooks:
        if not isinstance(hook, tf.compat.v1.train.SessionRunHook):
            raise TypeError(
                f"All hooks must be SessionRunHook instances; got {hook!r} in `{what}`."
            )
    return hooks


def validate_scaffold(scaffold: Any) -> Any:
    """Checks the Scaffold.

    Args:
        scaffold: tf.compat.v1.train.Scaffold, or None.

    Returns:
        `scaffold`; a new one with all defaults instead of None.

    Raises:
        TypeError: if it is something else.
    """
    if scaffold is None:
        return tf.compat.v1.train.Scaffold()
    if not isinstance(scaffold, tf.compat.v1.train.Scaffold):
        raise TypeError(f"scaffold must be tf.train.Scaffold (`scaffold`); got {scaffold!r}.")
    return scaffold


def _make_default_outputs(predictions: Any) -> dict[str, ExportOutput] | None:
    # Predictions that a signature cannot hold can still be predicted, only not exported.
    values = predictions.values() if isinstance(predictions, Mapping) else [predictions]
    names = predictions if isinstance(predictions, Mapping) else []
    if not values or not all(isinstance(value, tf.Tensor) for value in values):
        return None
    if not all(isinstance(name, str) for name in names):
        return None
    return {_DEFAULT_SIGNATURE: PredictOutput(predictions)}


def _validate_tensor(value: Any, name: str) -> None:
    if not tf.is_tensor(value):
        raise TypeError(f"{name} must be Tensor; got {value!r}.")
    _validate_graph(value, name)


def _validate_op_or_tensor(value: Any, name: str) -> None:
    if not (isinstance(value, tf.Operation) or tf.is_tensor(value)):
        raise TypeError(f"{name} must be Operation or Tensor; got {value!r}.")
    _validate_graph(value, name)


def _validate_graph(value: Any, name: str) -> None:
    default = tf.compat.v1.get_default_graph()
    for part in tf.nest.flatten(value, expand_composites=True):
        if getattr(part, "graph", default) is not default:
            raise ValueError(
                f"{name} must be from the default graph, in which the model_fn is called; got "
                f"{value!r} of another graph. Create tensors inside the model_fn, and do not "
                "keep them from one call to the next."
            )
