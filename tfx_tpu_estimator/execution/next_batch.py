"""The next batch of a loop inside the graph, fetched while a step works on this one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


class NextBatch:
    """What a step takes from its iterators, as values that a loop can carry.

    Args:
      ops: Those of the step that take a batch; each takes one per step.
      prefix: Put before their names, wherever the loop puts the ops made here.
    """

    def __init__(self, ops: Sequence[tf.Operation], prefix: str):
        self._ops = list(ops)
        self._prefix = prefix

    @property
    def names(self) -> frozenset[str]:
        """Names of the ops."""
        return frozenset(op.name for op in self._ops)

    def fetch(self) -> list[tf.Tensor]:
        """Takes a batch; one variant per op, without a value where the input has ended."""
        return [
            tf.raw_ops.IteratorGetNextAsOptional(
                iterator=op.inputs[0],
                output_types=op.get_attr("output_types"),
                output_shapes=op.get_attr("output_shapes"),
                name=f"{self._prefix}/{op.name}",
            )
            for op in self._ops
        ]

    def fetch_if(self, wanted: tf.Tensor) -> list[tf.Tensor]:
        """Takes a batch if `wanted`, a bool scalar; else the variants have no value."""
        if not self._ops:
            return []
        nothing = lambda: [tf.raw_ops.OptionalNone() for _ in self._ops]  # noqa: E731
        found = tf.cond(wanted, self.fetch, nothing)
        return list(found) if isinstance(found, list | tuple) else [found]

    def is_there(self, batch: Sequence[tf.Tensor]) -> tf.Tensor:
        """Returns whether the input had not ended, a bool scalar."""
        there = [tf.raw_ops.OptionalHasValue(optional=value) for value in batch]
        return tf.reduce_all(tf.stack(there)) if there else tf.constant(True)

    def unpack(self, batch: Sequence[tf.Tensor]) -> dict[str, Any]:
        """Returns a batch's tensors by the names that they have in the step."""
        tensors = {}
        for op, value in zip(self._ops, batch, strict=True):
            parts = tf.raw_ops.OptionalGetValue(
                optional=value,
                output_types=op.get_attr("output_types"),
                output_shapes=op.get_attr("output_shapes"),
            )
            tensors.update({t.name: part for t, part in zip(op.outputs, parts, strict=True)})
        return tensors
