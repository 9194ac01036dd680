"""The user's functions for the host, fed with what comes from the devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.host_call import HostCallHook, call_host_function
from tfx_tpu_estimator.lowering.outputs import HostFunction
from tfx_tpu_estimator.lowering.trace import TracedModel


def join_replicas(values: np.ndarray, *, broadcast: bool = False) -> np.ndarray:
    """Joins one step's outputs of all replicas along their batch dimension.

    Args:
      values: [replicas, n, ...].
      broadcast: Every replica had the same input: replica 0 speaks for all.

    Returns:
      [replicas * n, ...], in order of the replicas; [n, ...] with `broadcast`.
    """
    if broadcast:
        return values[0]
    return values.reshape(-1, *values.shape[2:])


class FedFunction:
    """A host function built in the traced graph on placeholders.

    Args:
      traced: The model.
      function: A host function of its outputs.
      where: What it is, for messages.
      build: Turns what the user's function returned into what the graph needs.
    """

    def __init__(
        self,
        traced: TracedModel,
        function: HostFunction,
        where: str,
        build: Callable[[Any], Any],
    ):
        self._names = function.names
        tensors = [traced.outputs.tensors[name] for name in function.names]
        with traced.host_scope(where):
            with tf.name_scope(where):
                self._feeds = [
                    tf.compat.v1.placeholder(t.dtype, [None, *t.shape.as_list()[1:]])
                    for t in tensors
                ]
            nested = tf.nest.pack_sequence_as(function.structure, self._feeds)
            # In no scope: it would become part of the tags of summaries.
            self.built = build(call_host_function((function.function, nested)))

    def feed(self, outputs: Mapping[str, np.ndarray]) -> dict[tf.Tensor, np.ndarray]:
        """Returns what to feed for one step.

        Args:
          outputs: Joined arrays by output name.
        """
        return {feed: outputs[name] for feed, name in zip(self._feeds, self._names, strict=True)}


class HostCall(FedFunction):
    """A host_call: run on the host after the step whose outputs it gets."""

    def __init__(self, traced: TracedModel, function: HostFunction, *, broadcast: bool):
        super().__init__(traced, function, "host_call", _list_fetches)
        self._broadcast = broadcast
        # Opens the summary writers that the function made, and closes them at the end.
        self.hook = HostCallHook([])

    def run(self, session: tf.compat.v1.Session, outputs: Mapping[str, np.ndarray]) -> None:
        """Runs it for one step.

        Args:
          session: On the traced graph.
          outputs: [replicas, ...] by output name.
        """
        joined = {n: join_replicas(outputs[n], broadcast=self._broadcast) for n in self._names}
        session.run(self.built, self.feed(joined))


def make_host_call(traced: TracedModel, *, broadcast: bool) -> HostCall | None:
    """Returns the host_call of a traced model, or None."""
    if traced.host_call is None:
        return None
    return HostCall(traced, traced.host_call, broadcast=broadcast)


def _list_fetches(result: Any) -> list[Any]:
    fetches = [] if result is None else tf.nest.flatten(result)
    if result is None or not all(isinstance(f, tf.Operation) or tf.is_tensor(f) for f in fetches):
        raise ValueError(
            f"`host_call[0]` must return a list of tensors or operations to run; got {result!r}. "
            "After writing summaries, return tf.compat.v1.summary.all_v2_summary_ops()."
        )
    return fetches
