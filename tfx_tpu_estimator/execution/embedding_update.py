"""Updates the rows of a divided table that a step has looked up, and no others; in jax.

A. The gradients of activations are sent to all replicas.
B. Each replica sorts the ids of all examples by their place in its shard; those of other shards
   come last.
C. Gradients of one row are summed. There are never more sums than ids, however large the table.
D. The optimizer updates the rows where they are.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from tfx_tpu_estimator.config.embedding_optimizers import AdamParameters, OptimizationParameters
from tfx_tpu_estimator.execution.embedding_layout import RowLayout
from tfx_tpu_estimator.execution.embedding_lookup import Lookups
from tfx_tpu_estimator.execution.embedding_rules import (
    adam_step,
    clip_weights,
    decay_weights,
    update_rows,
)
from tfx_tpu_estimator.lowering.jax_compat import import_jax


@dataclasses.dataclass(frozen=True)
class SortedGradients:
    """Gradients of a shard's rows, one for each time that a row was looked up, by row.

    Attributes:
      places: int32 [n], rising; at least the shard's number of rows where it is not its row.
      rows: float32 [n, dimension].
      starts: bool [n], whether it is the first one of its row.
    """

    places: Any
    rows: Any
    starts: Any


def update_table(
    table: Any,
    slots: tuple[Any, ...],
    lookups: Lookups,
    gradients: Any,
    *,
    layout: RowLayout,
    optimizer: OptimizationParameters,
    rate: Any,
    limit: float | None,
    shard: Any,
    axis: str,
) -> tuple[Any, tuple[Any, ...]]:
    """Updates this replica's shard of a table.

    Args:
      table: float32 [rows of a shard, dimension].
      slots: What the optimizer keeps, of the same shape.
      lookups: What was looked up.
      gradients: float32 [activation rows, dimension] of this replica, all features joined.
      layout: Where rows are.
      optimizer: How to update.
      rate: float32 scalar, the learning rate.
      limit: Largest absolute value of an element of a gradient, or None.
      shard: int32 scalar, the number of this replica.
      axis: Name of the replicas' axis.

    Returns:
      The new table and slots.
    """
    jnp = import_jax().numpy
    found = _sort_gradients(lookups, gradients, layout, shard, axis)

    def clip(rows: Any) -> Any:
        return rows if limit is None else jnp.clip(rows, jnp.float32(-limit), jnp.float32(limit))

    if not optimizer.use_gradient_accumulation:
        return _update_in_turn(table, slots, found, clip, optimizer, rate)
    places, rows = _sum_rows(found, layout.shard_rows)
    if isinstance(optimizer, AdamParameters) and not optimizer.lazy_adam:
        return _update_all(table, slots, places, clip(rows), optimizer, rate)
    return _update_some(table, slots, places, clip(rows), optimizer, rate)


def _sort_gradients(
    lookups: Lookups, gradients: Any, layout: RowLayout, shard: Any, axis: str
) -> SortedGradients:
    jax = import_jax()
    jnp = jax.numpy
    everyones = jax.lax.all_gather(gradients, axis, tiled=True)
    places, mine = layout.locate(lookups.ids, shard)
    places = jnp.ravel(jnp.where(mine & (lookups.gains != 0), places, layout.shard_rows))
    replicas = lookups.ids.shape[0]
    # For each id the row of `everyones` that it counts for.
    first = jnp.arange(replicas, dtype=jnp.int32)[:, None] * gradients.shape[0]
    source = jnp.ravel(first + lookups.examples)
    order = jnp.argsort(places, stable=True).astype(jnp.int32)
    places = places[order]
    rows = everyones[source[order]] * jnp.ravel(lookups.gains)[order][:, None]
    starts = jnp.concatenate([jnp.ones([1], bool), places[1:] != places[:-1]])
    return SortedGradients(places.astype(jnp.int32), rows, starts)


def _sum_rows(found: SortedGradients, shard_rows: int) -> tuple[Any, Any]:
    """Returns places and summed gradients of the rows that were looked up, each once.

    They fill arrays of static size, the number of ids or of rows, if that is smaller. The places
    that remain are beyond the shard, all different.
    """
    jax = import_jax()
    jnp = jax.numpy
    size = min(found.places.shape[0], shard_rows + 1)
    row_of = jnp.cumsum(found.starts.astype(jnp.int32)) - 1
    rows = jax.ops.segment_sum(found.rows, row_of, size, indices_are_sorted=True)
    beyond = shard_rows + jnp.arange(size, dtype=jnp.int32)
    # All ids of a row write the same value.
    places = beyond.at[row_of].set(found.places, mode="drop")
    return jnp.where(places >= shard_rows, beyond, places), rows


def _take(array: Any, places: Any) -> Any:
    return import_jax().numpy.take(array, places, axis=0, mode="clip")


def _put(array: Any, places: Any, rows: Any) -> Any:
    return array.at[places].set(rows, mode="drop", indices_are_sorted=True, unique_indices=True)


def _update_some(
    table: Any, slots: tuple[Any, ...], places: Any, gradients: Any, optimizer: Any, rate: Any
) -> tuple[Any, tuple[Any, ...]]:
    weights = _take(table, places)
    kept = tuple(_take(slot, places) for slot in slots)
    weights, kept = update_rows(optimizer, rate, weights, kept, gradients)
    new = tuple(_put(slot, places, rows) for slot, rows in zip(slots, kept, strict=True))
    return _put(table, places, weights), new


def _update_all(
    table: Any,
    slots: tuple[Any, ...],
    places: Any,
    gradients: Any,
    optimizer: AdamParameters,
    rate: Any,
) -> tuple[Any, tuple[Any, ...]]:
    """Adam on all rows: the gradient of most is 0, so that only the others are added."""
    jnp = import_jax().numpy
    if optimizer.clip_gradient_min is not None or optimizer.clip_gradient_max is not None:
        gradients = jnp.clip(gradients, optimizer.clip_gradient_min, optimizer.clip_gradient_max)
    m, v = slots
    added = {"mode": "drop", "indices_are_sorted": True, "unique_indices": True}
    m = (
        (jnp.float32(optimizer.beta1) * m)
        .at[places]
        .add(jnp.float32(1 - optimizer.beta1) * gradients, **added)
    )
    v = (
        (jnp.float32(optimizer.beta2) * v)
        .at[places]
        .add(jnp.float32(1 - optimizer.beta2) * gradients * gradients, **added)
    )
    table = decay_weights(optimizer, rate, table)
    table = clip_weights(optimizer, table - adam_step(optimizer, rate, (m, v)))
    return table, (m, v)


def _update_in_turn(
    table: Any, slots: tuple[Any, ...], found: SortedGradients, clip: Any, optimizer: Any, rate: Any
) -> tuple[Any, tuple[Any, ...]]:
    """Applies the first gradient of every row, then the second where there is one, and so on."""
    jax = import_jax()
    jnp = jax.numpy
    count, shard_rows = found.places.shape[0], table.shape[0]
    number = jnp.arange(count, dtype=jnp.int32)
    first = jax.lax.cummax(jnp.where(found.starts, number, 0))
    turn_of = jnp.where(found.places < shard_rows, number - first, -1)
    turns = jnp.max(turn_of) + 1

    def apply(carried: Any) -> Any:
        turn, table, slots = carried
        places = jnp.where(turn_of == turn, found.places, shard_rows + number)
        # Not sorted any more, as the places of other turns lie beyond the table.
        weights, kept = _take(table, places), tuple(_take(slot, places) for slot in slots)
        weights, kept = update_rows(optimizer, rate, weights, kept, clip(found.rows))
        put = {"mode": "drop", "unique_indices": True}
        slots = tuple(s.at[places].set(r, **put) for s, r in zip(slots, kept, strict=True))
        return turn + 1, table.at[places].set(weights, **put), slots

    state = (jnp.int32(0), table, slots)
    _, table, slots = jax.lax.while_loop(lambda carried: carried[0] < turns, apply, state)
    return table, slots
