"""How many rows a program gets: what BatchFunction allows, and how rows are filled up."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchRule:
    """What a BatchFunction says about its batches.

    Attributes:
      name: Its op.
      sizes: Allowed numbers of rows, rising; empty if any up to the largest is.
      largest: The largest number.
    """

    name: str
    sizes: tuple[int, ...]
    largest: int

    @classmethod
    def read(cls, node: Any) -> BatchRule:
        """Reads it from the op."""
        sizes = tuple(sorted(int(n) for n in node.attr["allowed_batch_sizes"].list.i))
        return cls(name=node.name, sizes=sizes, largest=int(node.attr["max_batch_size"].i))


def choose_batch_size(
    wanted: int, fixed: Iterable[tuple[str, int]], rules: Sequence[BatchRule]
) -> int:
    """Returns how many examples to run at a time.

    Args:
      wanted: What the user asks for.
      fixed: (input, number of rows) where a signature's shape says it.
      rules: Of the BatchFunctions.

    Raises:
      ValueError: Inputs of different fixed sizes.
    """
    sizes = dict(fixed)
    if len(set(sizes.values())) > 1:
        raise ValueError(
            f"The signatures have inputs of different fixed batch sizes: {sizes}. Check those that "
            "agree together, with `signatures`."
        )
    if sizes:
        return next(iter(sizes.values()))
    allowed = [set(rule.sizes) for rule in rules if rule.sizes]
    largest = min([rule.largest for rule in rules], default=wanted)
    wanted = min(wanted, largest)
    if not allowed:
        return wanted
    common = sorted(set.intersection(*allowed)) or sorted(allowed[0])
    smaller = [size for size in common if size <= wanted]
    return smaller[-1] if smaller else common[0]


def pad_rows_graph(dtypes: Sequence[tf.DType], sizes: Sequence[int]) -> Any:
    """Builds nodes that repeat the last row until there are as many rows as is allowed.

    Args:
      dtypes: Of the tensors.
      sizes: Allowed numbers of rows. More than the largest stay as many as they are.

    Returns:
      The nodes, the names of their inputs and the tensors that they return.
    """
    with tf.Graph().as_default() as graph:
        inputs = [tf.compat.v1.placeholder(d, name=f"in_{i}") for i, d in enumerate(dtypes)]
        rows = tf.shape(inputs[0])[0]
        enough = tf.boolean_mask(tf.constant(list(sizes)), tf.constant(list(sizes)) >= rows)
        wanted = tf.reduce_min(tf.concat([enough, [tf.maximum(rows, max(sizes))]], axis=0))
        taken = tf.minimum(tf.range(wanted), rows - 1)
        outputs = [tf.gather(x, taken, name=f"out_{i}") for i, x in enumerate(inputs)]
    return graph.as_graph_def(), [x.op.name for x in inputs], [x.name for x in outputs]


def cut_rows_graph(dtypes: Sequence[tf.DType], like_dtype: tf.DType) -> Any:
    """Builds nodes that keep as many rows of tensors as another one, their last input, has."""
    with tf.Graph().as_default() as graph:
        inputs = [tf.compat.v1.placeholder(d, name=f"in_{i}") for i, d in enumerate(dtypes)]
        like = tf.compat.v1.placeholder(like_dtype, name="like")
        rows = tf.shape(like)[0]
        outputs = [tf.identity(x[:rows], name=f"out_{i}") for i, x in enumerate(inputs)]
    names = [x.op.name for x in [*inputs, like]]
    return graph.as_graph_def(), names, [x.name for x in outputs]
