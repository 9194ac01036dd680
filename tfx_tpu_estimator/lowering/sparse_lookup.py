"""Lookups of embeddings by sparse ids, built so that the ids stay on the host.

A device has no sparse tensors. While a model is traced, the ids of each example are moved into a
row of fixed width, by ops that the host runs; the device looks all of them up and adds up those
that there are. Feature columns look up in this way, and so do `tf.nn.embedding_lookup_sparse`
and `tf.nn.safe_embedding_lookup_sparse`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.inputs.sparse_padding import NO_ID, PaddedIds, pad_sparse, prune_sparse
from tfx_tpu_estimator.lowering.tf_internals_embedding import pass_on_sequence_lengths

# Rows of up to so many places get them all; longer ones as many as the longest in a batch needs.
MAX_STATIC_WIDTH = 32
_LOW_PRECISION = (tf.float16, tf.bfloat16)
_local = threading.local()
_patch_lock = threading.Lock()
_registered = False


@dataclasses.dataclass(frozen=True)
class LookupScope:
    """Where sparse lookups are replaced, and what came of it.

    Attributes:
      graph: The graph of the model.
      batch_size: Examples of one replica; None if the input does not say.
      any_batch: Whether the number of examples may be known only when the graph runs.
      padded: By name of a tensor that the host computes for the device: what fills up its rows.
    """

    graph: tf.Graph
    batch_size: int | None
    any_batch: bool = False
    padded: dict[str, float] = dataclasses.field(default_factory=dict)


@contextlib.contextmanager
def dense_lookups(scope: LookupScope) -> Iterator[None]:
    """Replaces sparse lookups that are built inside the block, in this thread, in one graph."""
    _register()
    before = getattr(_local, "scope", None)
    _local.scope = scope
    try:
        yield
    finally:
        _local.scope = before


def _register() -> None:
    """Has TensorFlow ask here first, once; outside of `dense_lookups` it goes on as ever."""
    global _registered
    with _patch_lock:
        if _registered:
            return
        nn = tf.compat.v1.nn
        _override(nn.safe_embedding_lookup_sparse, "sparse_ids", _replace_safe)
        _override(nn.embedding_lookup_sparse, "sp_ids", _replace_plain)
        pass_on_sequence_lengths(_send_lengths)
        _registered = True


def _override(api: Callable, parameter: str, replacement: Callable[..., Any]) -> None:
    signature = inspect.signature(api)

    def target(*positional: Any, **keywords: Any) -> Any:
        bound = signature.bind(*positional, **keywords)
        bound.apply_defaults()
        scope = getattr(_local, "scope", None)
        if scope is None or tf.compat.v1.get_default_graph() is not scope.graph:
            return NotImplemented
        return replacement(scope, bound.arguments)

    functools.update_wrapper(target, api)
    target.__signature__ = signature  # TensorFlow compares it
    tf.experimental.dispatch_for_api(api, {parameter: tf.SparseTensor})(target)


def _replace_safe(scope: LookupScope, arguments: dict[str, Any]) -> Any:
    """tf.compat.v1.nn.safe_embedding_lookup_sparse: ignores ids < 0, knows a default id."""
    combiner = arguments["combiner"] or "mean"
    ids, weights = arguments["sparse_ids"], arguments["sparse_weights"]
    default_id = arguments["default_id"]
    if ids.shape.rank == 3 and ids.shape[1] is None and default_id is None:
        return _look_up_sequence(scope, arguments, ids, weights, combiner)
    leading = _leading_sizes(scope, ids)
    if leading is None:
        return NotImplemented
    with tf.name_scope(arguments["name"] or "embedding_lookup"):
        ids, weights = _as_rows(ids, weights)
        ids, weights = prune_sparse(ids, weights, positive_weights=combiner != "sum")
        if default_id is not None:
            ids, _ = tf.sparse.fill_empty_rows(ids, tf.cast(default_id, ids.dtype))
            if weights is not None:
                weights, _ = tf.sparse.fill_empty_rows(weights, tf.ones([], weights.dtype))
        return _look_up(scope, arguments["embedding_weights"], ids, weights, leading, arguments)


def _replace_plain(scope: LookupScope, arguments: dict[str, Any]) -> Any:
    """tf.compat.v1.nn.embedding_lookup_sparse: every id must be one of the table."""
    ids, weights = arguments["sp_ids"], arguments["sp_weights"]
    leading = _leading_sizes(scope, ids)
    if leading is None or len(leading) != 1:
        return NotImplemented
    with tf.name_scope(arguments["name"] or "embedding_lookup_sparse"):
        check = tf.debugging.Assert(
            tf.reduce_all(ids.values >= 0), ["`sp_ids` has an id below 0:", ids.values]
        )
        with tf.control_dependencies([check]):
            ids = tf.SparseTensor(ids.indices, tf.identity(ids.values), ids.dense_shape)
        return _look_up(scope, arguments["params"], ids, weights, leading, arguments)


def _look_up_sequence(
    scope: LookupScope,
    arguments: dict[str, Any],
    ids: tf.SparseTensor,
    weights: tf.SparseTensor | None,
    combiner: str,
) -> tf.Tensor:
    """Looks up ids [batch, time, 1] of sequences as long as the longest in the data."""
    tables = arguments["embedding_weights"]
    with tf.name_scope(arguments["name"] or "embedding_lookup"):
        check = tf.debugging.Assert(
            ids.dense_shape[2] <= 1,
            ["A step of a sequence has several ids; shape", ids.dense_shape],
        )
        with tf.control_dependencies([check]):
            places, length = tf.identity(ids.indices)[:, :2], ids.dense_shape[:2]
        ids = tf.SparseTensor(places, ids.values, length)
        if weights is not None:
            weights = tf.SparseTensor(places, weights.values, length)
        ids, weights = prune_sparse(ids, weights, positive_weights=combiner != "sum")
        # Steps keep their places: what is missing in between stays so.
        padded = PaddedIds(
            tf.sparse.to_dense(ids, NO_ID), None if weights is None else tf.sparse.to_dense(weights)
        )
        padded = _send(scope, tables, padded, [scope.batch_size, None])
        weighed = None if padded.weights is None else tf.expand_dims(padded.weights, 2)
        padded = PaddedIds(tf.expand_dims(padded.ids, 2), weighed)
        combined = _gather(tables, padded, arguments)
        combined.set_shape([scope.batch_size, None, *combined.shape[2:]])
        return combined


def _send_lengths(lengths: tf.Tensor) -> tf.Tensor:
    """Marks the lengths of sequences [batch]: what they are counted from has sizes of the data."""
    scope = getattr(_local, "scope", None)
    if scope is None or tf.compat.v1.get_default_graph() is not scope.graph:
        return lengths
    return _mark(scope, lengths, "sequence_length", [scope.batch_size], 0.0)


def _leading_sizes(scope: LookupScope, ids: tf.SparseTensor) -> list[int | None] | None:
    """Returns the sizes of all dimensions but the last; None if they are not static."""
    if ids.shape.rank is None or ids.shape.rank < 2:
        return None
    sizes = list(ids.shape.as_list()[:-1])
    if sizes[0] is None:
        sizes[0] = scope.batch_size
    if len(sizes) == 1 and scope.any_batch:
        return sizes
    return None if None in sizes else sizes


def _as_rows(
    ids: tf.SparseTensor, weights: tf.SparseTensor | None
) -> tuple[tf.SparseTensor, tf.SparseTensor | None]:
    """Joins all dimensions but the last."""
    if ids.shape.rank == 2:
        return ids, weights
    width = ids.dense_shape[-1]
    rows = tf.reduce_prod(ids.dense_shape[:-1])
    flat = tf.sparse.reshape(ids, tf.stack([rows, width]))
    if weights is None:
        return flat, None
    return flat, tf.SparseTensor(flat.indices, weights.values, flat.dense_shape)


def _look_up(
    scope: LookupScope,
    tables: Any,
    ids: tf.SparseTensor,
    weights: tf.SparseTensor | None,
    leading: list[int | None],
    arguments: dict[str, Any],
) -> tf.Tensor:
    """Pads on the host; gathers and combines on the device."""
    rows = None if None in leading else math.prod(size or 0 for size in leading)
    declared = ids.shape[-1]
    width = declared if declared is not None and declared <= MAX_STATIC_WIDTH else None
    padded = _send(scope, tables, pad_sparse(ids, weights, width=width), [rows, width])
    combined = _gather(tables, padded, arguments)
    combined.set_shape([rows, *combined.shape[1:]])
    if len(leading) == 1:
        return combined
    return tf.reshape(combined, [*leading, *combined.shape[1:]])


def _gather(tables: Any, padded: PaddedIds, arguments: dict[str, Any]) -> tf.Tensor:
    """Gathers and combines, on the device."""
    vectors = tf.compat.v1.nn.embedding_lookup(
        tables,
        tf.maximum(padded.ids, 0),
        partition_strategy=arguments["partition_strategy"],
        max_norm=arguments["max_norm"],
    )
    return combine_rows(vectors, padded, arguments["combiner"] or "mean")


def _send(scope: LookupScope, tables: Any, padded: PaddedIds, shape: list[int | None]) -> PaddedIds:
    """Marks what goes from the host to the device."""
    found = padded.ids
    if found.dtype == tf.int64 and _count_rows(tables) < 2**31:
        # A TPU has no 64-bit integers, and half as much has to be sent.
        found = tf.cast(found, tf.int32)
    found = _mark(scope, found, "padded_ids", shape, NO_ID)
    if padded.weights is None:
        return PaddedIds(found, None)
    return PaddedIds(found, _mark(scope, padded.weights, "padded_weights", shape, 0.0))


def _mark(
    scope: LookupScope, tensor: tf.Tensor, name: str, shape: list[int | None], fill: float
) -> tf.Tensor:
    """Names a tensor that goes from the host to the device."""
    marked = tf.identity(tf.ensure_shape(tensor, shape), name=name)
    scope.padded[marked.name] = fill
    return marked


def _count_rows(tables: Any) -> int:
    """Returns how many rows all parts of a table have; many if that is not known."""
    parts = list(tables) if not tf.is_tensor(tables) and hasattr(tables, "__iter__") else [tables]
    sizes = [part.shape[0] for part in parts]
    return 2**63 if None in sizes else sum(sizes)


def combine_rows(vectors: tf.Tensor, padded: PaddedIds, combiner: str) -> tf.Tensor:
    """Combines the vectors of each row's ids.

    Args:
      vectors: [rows, width, ...]; what stands in the places without an id does not matter. There
        may be more dimensions before these.
      padded: Which places have one, and weights; [rows, width].
      combiner: `sum`, `mean` or `sqrtn`.

    Returns:
      [rows, ...], zeros for rows without ids.
    """
    if combiner not in ("sum", "mean", "sqrtn"):
        raise ValueError(f"`combiner` must be one of mean, sqrtn or sum; got {combiner!r}.")
    dtype = vectors.dtype
    if dtype in _LOW_PRECISION:
        vectors = tf.cast(vectors, tf.float32)
    present = padded.ids >= 0
    weights = tf.cast(present if padded.weights is None else padded.weights, vectors.dtype)
    axis = present.shape.rank - 1
    for _ in range(vectors.shape.rank - axis - 1):
        present, weights = tf.expand_dims(present, -1), tf.expand_dims(weights, -1)
    if padded.weights is not None:
        vectors *= weights
    # Not a product: row 0, which stands in for all that is missing, may not be finite.
    combined = tf.reduce_sum(tf.where(present, vectors, tf.zeros([], vectors.dtype)), axis)
    if combiner != "sum":
        if combiner == "mean":
            norm = tf.reduce_sum(weights, axis)
        else:
            norm = tf.sqrt(tf.reduce_sum(tf.square(weights), axis))
        combined = tf.math.divide_no_nan(combined, norm)
    return tf.cast(combined, dtype)
