"""Looks embeddings up in tables whose rows are divided over the replicas; in jax, per replica.

A. Each replica works out how much every id counts for its example (combiner, weights).
B. Ids and what they count are sent to all replicas.
C. Each replica adds up those rows that it has, for the examples of all replicas.
D. The sums are added over replicas, and each replica gets those of its own examples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from tfx_tpu_estimator.execution.embedding_layout import RowLayout
from tfx_tpu_estimator.lowering.jax_compat import import_jax


@dataclasses.dataclass(frozen=True)
class Lookups:
    """Ids that are looked up in one table, those of all its features.

    Attributes:
      ids: int32 [replicas, n] on every replica; negative where there is none.
      gains: float32 [replicas, n], what each row is multiplied by.
      examples: int32 [n], for each the activation row that it counts for.
      counts: For each feature (activation rows, ids per row).
    """

    ids: Any
    gains: Any
    examples: Any
    counts: tuple[tuple[int, int], ...]


def weigh_ids(ids: Any, weights: Any, combiner: str) -> Any:
    """Returns what each id counts for its example.

    Args:
      ids: int32 [rows, ids per row], negative where there is none.
      weights: float32 of the same shape; None for 1.
      combiner: `mean`, `sum` or `sqrtn`. Except for `sum` ids of weight <= 0 count nothing.

    Returns:
      float32 of the same shape, 0 where there is no id.
    """
    jnp = import_jax().numpy
    if weights is None:
        weights = jnp.ones(ids.shape, jnp.float32)
    counted = ids >= 0 if combiner == "sum" else (ids >= 0) & (weights > 0)
    weights = jnp.where(counted, weights, jnp.float32(0))
    if combiner == "sum":
        return weights
    squared = weights * weights if combiner == "sqrtn" else weights
    total = jnp.sum(squared, axis=-1, keepdims=True)
    total = jnp.sqrt(total) if combiner == "sqrtn" else total
    return jnp.where(total > 0, weights / jnp.where(total > 0, total, 1), jnp.float32(0))


def gather_lookups(features: Sequence[tuple[Any, Any]], combiner: str, axis: str) -> Lookups:
    """Sends the ids of a table's features to all replicas.

    Args:
      features: For each feature its ids, int32 [rows, ids per row], and weights or None.
      combiner: Of the table.
      axis: Name of the replicas' axis.
    """
    jax = import_jax()
    jnp = jax.numpy
    ids = jnp.concatenate([jnp.ravel(i) for i, _ in features])
    gains = jnp.concatenate([jnp.ravel(weigh_ids(i, w, combiner)) for i, w in features])
    counts = tuple((i.shape[0], i.shape[1]) for i, _ in features)
    examples, first = [], 0
    for rows, width in counts:
        # Computed, as a constant would be as large as a batch.
        examples.append(first + jnp.arange(rows * width, dtype=jnp.int32) // width)
        first += rows
    return Lookups(
        ids=jax.lax.all_gather(ids, axis),
        gains=jax.lax.all_gather(gains, axis),
        examples=jnp.concatenate(examples),
        counts=counts,
    )


def look_up(table: Any, lookups: Lookups, layout: RowLayout, shard: Any, axis: str) -> list[Any]:
    """Returns the activations of this replica.

    Args:
      table: float32 [rows of a shard, dimension].
      lookups: Whose rows are wanted.
      layout: Where the rows are.
      shard: int32 scalar, the number of this replica.
      axis: Name of the replicas' axis.

    Returns:
      For each feature float32 [rows, dimension].
    """
    jax = import_jax()
    jnp = jax.numpy
    places, mine = layout.locate(lookups.ids, shard)
    gains = jnp.where(mine, lookups.gains, jnp.float32(0))
    rows = jnp.take(table, jnp.where(mine, places, 0), axis=0, mode="clip")
    # A row that is not meant must not spoil the sum by being infinite.
    rows = jnp.where(mine[..., None], rows * gains[..., None], jnp.float32(0))
    replicas, dimension = rows.shape[0], rows.shape[-1]
    sums, start = [], 0
    for count, width in lookups.counts:
        part = rows[:, start : start + count * width]
        sums.append(part.reshape(replicas, count, width, dimension).sum(axis=2))
        start += count * width
    own = jax.lax.psum_scatter(jnp.concatenate(sums, axis=1), axis, scatter_dimension=0)
    activations, start = [], 0
    for count, _ in lookups.counts:
        activations.append(own[start : start + count])
        start += count
    return activations
