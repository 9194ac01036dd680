"""Calls the user's model_fn with the arguments that it names, and checks what comes back."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.specs import EstimatorSpec, TPUEstimatorSpec

ARGUMENTS = ("features", "labels", "mode", "params", "config")


def list_arguments(fn: Callable) -> tuple[str, ...]:
    """Returns the argument names that a caller can still give to `fn`.

    Arguments bound by `functools.partial` are left out, and so are `self`, `*args` and `**kwargs`.
    """
    bound = set(fn.keywords) if isinstance(fn, functools.partial) else set()
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return tuple(
        name
        for name, parameter in inspect.signature(fn).parameters.items()
        if parameter.kind in kinds and name not in bound
    )


def validate_model_fn(model_fn: Any, params: Any) -> Callable:
    """Checks a model_fn's signature before anything is built.

    Returns:
      The same function.

    Raises:
      ValueError: No model_fn, or one whose arguments are not among features, labels, mode, params
        and config, or that lacks `features`, or lacks `params` although params were given.
    """
    if model_fn is None:
        raise ValueError("model_fn argument must be given, got None.")
    if not callable(model_fn):
        raise ValueError(f"model_fn argument must be callable, got {model_fn!r}.")
    arguments = list_arguments(model_fn)
    if "features" not in arguments:
        raise ValueError(
            f"model_fn ({model_fn}) must include features argument; it takes {list(arguments)}."
        )
    if params and "params" not in arguments:
        raise ValueError(
            f"model_fn ({model_fn}) does not include params argument, but params "
            f"({params}) is passed to the estimator."
        )
    unknown = [name for name in arguments if name not in ARGUMENTS]
    if unknown:
        raise ValueError(
            f"model_fn ({model_fn}) has following not expected args: {unknown}. "
            f"Allowed are {list(ARGUMENTS)}."
        )
    return model_fn


@contextlib.contextmanager
def resource_variables() -> Iterator[None]:
    """Makes every variable created inside the block a resource variable.

    Reference variables, the default of TF1 programs that disable v2 behaviour, cannot be captured
    by a TPU computation; names and checkpoints are the same for both kinds. Variables that a
    model_fn makes while a function is built belong to the graph around that function.
    """

    def creator(next_creator, **kwargs):
        with tf.init_scope():
            return next_creator(**{**kwargs, "use_resource": True})

    with tf.variable_creator_scope(creator):
        yield


def call_model_fn(
    model_fn: Callable,
    features: Any,
    labels: Any,
    mode: str,
    params: Any,
    config: Any,
    *,
    params_required: bool = True,
) -> EstimatorSpec | TPUEstimatorSpec:
    """Calls `model_fn` in the default graph.

    Args:
      model_fn: The user's function.
      features: A tensor or a nested structure of tensors, batch-major.
      labels: The same, or None.
      mode: A value of `ModeKeys`.
      params: What the model_fn sees as `params`.
      config: What it sees as `config`.
      params_required: Whether it must take `params`, as that of a TPUEstimator must.

    Returns:
      The spec it returned.

    Raises:
      ValueError: It lacks `params` although they are required; it lacks `labels` although the
        input has labels; or it did not return a spec.
    """
    arguments = list_arguments(model_fn)
    if params_required and "params" not in arguments:
        raise ValueError(
            f"model_fn ({model_fn}) does not include params argument, required by TPUEstimator to "
            "pass batch size as params['batch_size']."
        )
    if "labels" not in arguments and labels is not None:
        raise ValueError("model_fn does not take labels, but input_fn returns labels.")
    offered = {"labels": labels, "mode": mode, "params": params, "config": config}
    chosen = {name: value for name, value in offered.items() if name in arguments}
    spec = model_fn(features=features, **chosen)
    if not isinstance(spec, EstimatorSpec | TPUEstimatorSpec):
        raise ValueError(
            "model_fn should return an EstimatorSpec or a TPUEstimatorSpec, got "
            f"{type(spec).__name__}: {spec!r}."
        )
    return spec


def to_estimator_spec(spec: EstimatorSpec | TPUEstimatorSpec) -> EstimatorSpec:
    """Returns the form of `spec` that runs on the host."""
    return spec.as_estimator_spec() if isinstance(spec, TPUEstimatorSpec) else spec
