"""Sparse ids as dense rows of equal width, the form in which devices look embeddings up.

All of it runs on the host, on whole batches.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

# Marks a place of a row in which there is no id.
NO_ID = -1


class PaddedIds(NamedTuple):
    """The ids of a batch, in rows of equal width.

    Attributes:
      ids: int32 or int64 [rows, width]; `NO_ID` behind the last id of a row.
      weights: float32 [rows, width], or float64 if they came so, 0 behind the last; None if the
        ids have none.
    """

    ids: tf.Tensor
    weights: tf.Tensor | None


def pad_sparse(
    ids: tf.SparseTensor, weights: tf.SparseTensor | None = None, *, width: int | None = None
) -> PaddedIds:
    """Moves the ids of each row to its beginning and fills the rest of the row up.

    Args:
      ids: [rows, n], integers >= 0, in row-major order.
      weights: The same places; None for ids without weights.
      width: How many ids a row gets; None for as many as the longest row has.

    Returns:
      Dense ids and weights. If a row has more than `width` ids, they raise InvalidArgumentError
      when they are computed.

    Example:
      >>> ids = tf.sparse.from_dense([[0, 7, 5], [0, 0, 0], [0, 0, 3]])
      >>> pad_sparse(ids, width=2).ids.numpy().tolist()
      [[7, 5], [-1, -1], [3, -1]]
    """
    rows = ids.dense_shape[0]
    padded = _pad(ids.values, ids.indices[:, 0], rows, NO_ID, width)
    if weights is None:
        return PaddedIds(padded, None)
    values = weights.values
    if values.dtype != tf.float64:
        values = tf.cast(values, tf.float32)
    return PaddedIds(padded, _pad(values, ids.indices[:, 0], rows, 0.0, width))


def _pad(
    values: tf.Tensor, row_of: tf.Tensor, rows: tf.Tensor, fill: float, width: int | None
) -> tf.Tensor:
    ragged = tf.RaggedTensor.from_value_rowids(values, row_of, nrows=rows, validate=False)
    padded = ragged.to_tensor(tf.cast(fill, values.dtype))
    if width is None:
        return padded
    longest = tf.shape(padded)[1]
    check = tf.debugging.Assert(
        longest <= width, ["A row has", longest, "ids, but there is room for", width]
    )
    # In eager mode the check has been made.
    with tf.control_dependencies([check] if check is not None else []):
        missing: Any = [[0, 0], [0, width - longest]]
        padded = tf.pad(padded, missing, constant_values=fill)
    padded.set_shape([None, width])
    return padded


def prune_sparse(
    ids: tf.SparseTensor, weights: tf.SparseTensor | None, *, positive_weights: bool
) -> tuple[tf.SparseTensor, tf.SparseTensor | None]:
    """Drops what a lookup of embeddings ignores: ids < 0, and ids that weigh nothing.

    Args:
      ids: [rows, n].
      weights: The same places, or None.
      positive_weights: Whether ids whose weight is not above 0 are dropped.

    Returns:
      The ids and weights that remain.

    Example:
      >>> ids = tf.sparse.from_dense([[3, -1]])
      >>> prune_sparse(ids, None, positive_weights=True)[0].values.numpy().tolist()
      [3]
    """
    kept = ids.values >= 0
    if weights is None:
        return tf.sparse.retain(ids, kept), None
    if positive_weights:
        kept &= weights.values > 0
    return tf.sparse.retain(ids, kept), tf.sparse.retain(weights, kept)
