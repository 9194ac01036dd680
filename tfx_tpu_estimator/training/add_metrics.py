"""Metrics besides those of the model_fn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.estimator import Estimator
from tfx_tpu_estimator.host_call import call_host_function
from tfx_tpu_estimator.lowering.model_fn import call_model_fn, list_arguments
from tfx_tpu_estimator.specs import EstimatorSpec, ModeKeys, TPUEstimatorSpec

_ARGUMENTS = ("features", "labels", "predictions", "config")


def add_metrics(estimator: Any, metric_fn: Callable[..., dict[str, Any]]) -> Any:
    """Returns an estimator like another one whose evaluations have more metrics.

    Args:
      estimator: An `Estimator` or `TPUEstimator`; it is not changed. Both use one `model_dir`.
      metric_fn: Takes any of `features`, `labels`, `predictions` (those of the model_fn's spec in
        mode EVAL) and `config`; returns {name: (value, update_op)}. A metric of the model_fn with
        the same name is replaced.

    Returns:
      The new estimator, of the same class.

    Raises:
      TypeError: `estimator` is no Estimator.
      ValueError: `metric_fn` has other arguments.

    Example:
      def auc(labels, predictions):
          return {"auc": tf.compat.v1.metrics.auc(labels, predictions["probabilities"])}

      estimator = add_metrics(estimator, auc)
    """
    if not isinstance(estimator, Estimator):
        raise TypeError(
            f"`estimator` must have type `tf.estimator.Estimator`. Got: {type(estimator)}."
        )
    unknown = sorted(set(list_arguments(metric_fn)) - set(_ARGUMENTS))
    if unknown:
        raise ValueError(
            f"metric_fn ({metric_fn}) has following not expected args: {unknown}. Allowed are "
            f"{list(_ARGUMENTS)}."
        )
    original = estimator._model_fn

    def model_fn(features: Any, labels: Any, mode: str, params: Any, config: Any) -> Any:
        spec = call_model_fn(
            original, features, labels, mode, params, config, params_required=False
        )
        if mode != ModeKeys.EVAL:
            return spec
        given = _choose(metric_fn, features, labels, spec.predictions)
        if isinstance(spec, TPUEstimatorSpec):
            return _add_on_host(spec, metric_fn, given, config)
        return _add(spec, metric_fn, given, config)

    return estimator._with_model_fn(model_fn)


def _choose(metric_fn: Callable, features: Any, labels: Any, predictions: Any) -> dict[str, Any]:
    """Returns the tensors that metric_fn names."""
    offered = {"features": features, "labels": labels, "predictions": predictions}
    arguments = list_arguments(metric_fn)
    return {name: value for name, value in offered.items() if name in arguments}


def _call(metric_fn: Callable, given: dict[str, Any], config: Any) -> dict[str, Any]:
    if "config" in list_arguments(metric_fn):
        return metric_fn(**given, config=config)
    return metric_fn(**given)


def _add(spec: EstimatorSpec, metric_fn: Callable, given: dict[str, Any], config: Any) -> Any:
    metrics = {**(spec.eval_metric_ops or {}), **_call(metric_fn, given, config)}
    return spec._replace(eval_metric_ops=metrics)


def _add_on_host(
    spec: TPUEstimatorSpec, metric_fn: Callable, given: dict[str, Any], config: Any
) -> Any:
    """Adds to `eval_metrics`, whose tensors are brought from the devices to the host."""
    function, tensors = spec.eval_metrics or (None, ())
    nested = (tensors, given)

    def all_metrics(*flat: Any) -> dict[str, Any]:
        tensors, given = tf.nest.pack_sequence_as(nested, flat, expand_composites=True)
        metrics = {} if function is None else call_host_function((function, tensors))
        return {**metrics, **_call(metric_fn, given, config)}

    flat = tf.nest.flatten(nested, expand_composites=True)
    return spec._replace(eval_metrics=(all_metrics, flat))
