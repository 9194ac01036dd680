"""Calls of the user's receiver functions, and checks of what they give."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf


def check_result(receiver_fn: Callable[[], Any]) -> Callable[[], Any]:
    """Returns a receiver function that also checks what `receiver_fn` gives.

    Args:
      receiver_fn: The user's function. It is called with a graph as the default one.

    Returns:
      A function without arguments that gives the same. It raises a ValueError where that is no
      receiver, or has tensors that were not made in the default graph.
    """

    @functools.wraps(receiver_fn)
    def checked() -> Any:
        receiver = receiver_fn()
        _validate_parts(receiver)
        _validate_graph(receiver)
        return receiver

    return checked


def _validate_parts(receiver: Any) -> None:
    if not hasattr(receiver, "features") or not hasattr(receiver, "receiver_tensors"):
        raise ValueError(
            "`serving_input_receiver_fn` must return a ServingInputReceiver; got "
            f"{type(receiver).__name__}. See build_raw_serving_input_receiver_fn and "
            "build_parsing_serving_input_receiver_fn."
        )


def _validate_graph(receiver: Any) -> None:
    graph = tf.compat.v1.get_default_graph()
    labels = getattr(receiver, "labels", None)
    parts = (receiver.features, receiver.receiver_tensors, labels)
    for tensor in tf.nest.flatten(parts, expand_composites=True):
        # A tensor that was made outside of any graph has none.
        if isinstance(tensor, tf.Tensor) and getattr(tensor, "graph", None) is not graph:
            raise ValueError(
                f"`serving_input_receiver_fn` returned the tensor {tensor!r}, which was not made "
                "in the graph of the export. Make all tensors in the function, when it is "
                "called, and in no graph of its own."
            )
