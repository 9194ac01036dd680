"""TPUEstimatorSpec: what a model_fn written for TPUs returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from tfx_tpu_estimator import host_call as host_calls
from tfx_tpu_estimator import spec_validation
from tfx_tpu_estimator.config.checked_replace import CheckedReplace
from tfx_tpu_estimator.estimator_spec import EstimatorSpec
from tfx_tpu_estimator.modes import validate_mode


class _TPUEstimatorSpecFields(NamedTuple):
    mode: str
    predictions: Any
    loss: Any
    train_op: Any
    eval_metrics: Any
    export_outputs: Any
    scaffold_fn: Any
    host_call: Any
    training_hooks: Any
    evaluation_hooks: Any
    prediction_hooks: Any


class TPUEstimatorSpec(CheckedReplace, _TPUEstimatorSpecFields):
    """The operations and host functions of one call of a model_fn.

    Example:
        >>> with tf.Graph().as_default():
        ...     spec = TPUEstimatorSpec("infer", predictions={"x": tf.constant([1.0])})
        ...     plain = spec.as_estimator_spec()
        >>> type(plain).__name__
        'EstimatorSpec'
    """

    __slots__ = ()

    def __new__(
        cls,
        mode: str,
        predictions: Any = None,
        loss: Any = None,
        train_op: Any = None,
        eval_metrics: Any = None,
        export_outputs: Any = None,
        scaffold_fn: Callable[[], Any] | None = None,
        host_call: Any = None,
        training_hooks: Any = None,
        evaluation_hooks: Any = None,
        prediction_hooks: Any = None,
    ):
        """Checks the host functions and hooks; the rest when the spec is put to use.

        Args:
            mode: one of ModeKeys, as the model_fn got it.
            predictions: dict of Tensors [batch, ...]; required in PREDICT.
            loss: Tensor with one element; required in TRAIN and EVAL.
            train_op: Operation or Tensor of one training step; required in TRAIN.
            eval_metrics: (metric_fn, tensors). metric_fn gets the tensors, each [batch, ...], by
                position (list or tuple) or keyword (dict) and returns a dict of name to
                (metric_value, update_op).
            export_outputs: dict of name to ExportOutput.
            scaffold_fn: function without arguments that returns a Scaffold.
            host_call: (function, tensors). The function runs on the host in every step and
                returns the tensors or operations to run there.
            training_hooks: SessionRunHooks run during training.
            evaluation_hooks: SessionRunHooks run during evaluation.
            prediction_hooks: SessionRunHooks run during prediction.

        Returns:
            The spec.

        Raises:
            ValueError: if the mode is unknown, or a (function, tensors) pair is malformed or
                does not fit together.
            TypeError: if a function cannot be called or a hook is no SessionRunHook.
        """
        validate_mode(mode)
        if eval_metrics is not None:
            host_calls.validate_host_function(eval_metrics, "eval_metrics")
        if host_call is not None:
            host_calls.validate_host_function(host_call, "host_call")
        if scaffold_fn is not None and not callable(scaffold_fn):
            raise TypeError(
                f"`scaffold_fn` must be a function without arguments; got {scaffold_fn!r}."
            )
        return super().__new__(
            cls,
            mode=mode,
            predictions=predictions,
            loss=loss,
            train_op=train_op,
            eval_metrics=eval_metrics,
            export_outputs=export_outputs,
            scaffold_fn=scaffold_fn,
            host_call=host_call,
            training_hooks=spec_validation.validate_hooks(training_hooks, "training_hooks"),
            evaluation_hooks=spec_validation.validate_hooks(evaluation_hooks, "evaluation_hooks"),
            prediction_hooks=spec_validation.validate_hooks(prediction_hooks, "prediction_hooks"),
        )

    def as_estimator_spec(self) -> EstimatorSpec:
        """Builds the equivalent spec for this host's own kernels, in the default graph.

        metric_fn, scaffold_fn and host_call's function are called, in this order; what host_call
        returns is run in every step by a hook. Call it once per spec: every call builds anew.

        Returns:
            The EstimatorSpec, fully checked.

        Raises:
            ValueError: if scaffold_fn returns None, host_call nothing that can be run, or as
                EstimatorSpec raises.
            TypeError: as EstimatorSpec raises.
        """
        metric_ops = None
        if self.eval_metrics is not None:
            metric_ops = host_calls.call_host_function(self.eval_metrics)
        scaffold = None if self.scaffold_fn is None else call_scaffold_fn(self.scaffold_fn)
        hooks: tuple[tf.compat.v1.train.SessionRunHook, ...] = ()
        if self.host_call is not None:
            hooks = (host_calls.build_host_call_hook(self.host_call),)
        return EstimatorSpec(
            mode=self.mode,
            predictions=self.predictions,
            loss=self.loss,
            train_op=self.train_op,
            eval_metric_ops=metric_ops,
            export_outputs=self.export_outputs,
            scaffold=scaffold,
            training_hooks=self.training_hooks + hooks,
            evaluation_hooks=self.evaluation_hooks + hooks,
            prediction_hooks=self.prediction_hooks + hooks,
        )


def call_scaffold_fn(scaffold_fn: Callable[[], Any]) -> Any:
    """Calls scaffold_fn and insists on a result.

    Args:
        scaffold_fn: function without arguments.

    Returns:
        The Scaffold it returns.

    Raises:
        ValueError: if it returns None.
    """
    scaffold = scaffold_fn()
    if scaffold is None:
        raise ValueError(
            "`scaffold_fn` must return a tf.compat.v1.train.Scaffold; got None. "
            "Return tf.compat.v1.train.Scaffold() if you have nothing to set in it."
        )
    return scaffold
