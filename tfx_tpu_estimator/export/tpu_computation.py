"""What it takes to build a model inside the function of a TPU computation."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.lowering.model_fn import resource_variables


def enter_graph(computation: Callable[..., Any]) -> Callable[..., Any]:
    """Makes what is built in a function belong to the default graph, which will be around it.

    Args:
      computation: Builds ops and may create variables.

    Returns:
      The same, to be called while the function is built.
    """
    outside = tf.compat.v1.get_default_graph()

    @functools.wraps(computation)
    def enter(*inputs: Any) -> Any:
        _share_global_step(outside)
        # The function that is being built does not inherit the creators of the graph around it.
        with resource_variables(), _restored_variables(outside):
            return computation(*inputs)

    return enter


@contextlib.contextmanager
def _restored_variables(outside: tf.Graph) -> Iterator[None]:
    """Lets a model_fn say `tf.Variable(<tensor>)` inside a function.

    The tensor belongs to the function and cannot initialise a variable outside it. Variables of
    this graph always get their values from the checkpoint, so zeros of its shape do as well.
    """

    def creator(next_creator, **kwargs):
        value = kwargs.get("initial_value")
        if isinstance(value, tf.Tensor) and value.graph is not outside:
            kwargs["initial_value"] = functools.partial(tf.zeros, value.shape, value.dtype)
        return next_creator(**kwargs)

    with tf.variable_creator_scope(creator):
        yield


def _share_global_step(outside: tf.Graph) -> None:
    """Lets a model_fn find the global step of the graph around the function being built."""
    inside = tf.compat.v1.get_default_graph()
    key = tf.compat.v1.GraphKeys.GLOBAL_STEP
    steps = outside.get_collection(key)
    if steps and not inside.get_collection(key):
        inside.add_to_collection(key, steps[0])
