"""Divides a tensor of a batch between replicas in a graph, where the host goes on with it."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.inputs.sharding import TensorShards


def split_leaf(leaf: Any, shard: TensorShards, *, pad: bool) -> list[list[tf.Tensor]]:
    """Divides one tensor of a batch.

    Args:
      leaf: A dense, sparse or ragged tensor.
      shard: Over how many replicas, and along which dimension.
      pad: Fill up a batch that has too few examples: dense ones with the last, as the devices' are
        (see `pad_rows`), others with empty ones.

    Returns:
      For each replica the flat components of its part.
    """
    count, axis = shard.parts, shard.axis
    if isinstance(leaf, tf.SparseTensor):
        whole = _pad_sparse(leaf, shard.size) if pad else leaf
        found = tf.sparse.split(sp_input=whole, num_split=count, axis=0) if count > 1 else [whole]
    elif isinstance(leaf, tf.RaggedTensor):
        whole = _pad_ragged(leaf, shard.size) if pad else leaf
        size = shard.size // count
        found = [whole[i * size : (i + 1) * size] for i in range(count)] if count > 1 else [whole]
    else:
        whole = leaf if axis is None or shard.static or not pad else _pad(leaf, axis, shard.size)
        found = tf.split(whole, count, axis) if axis is not None and count > 1 else [whole]
    return [tf.nest.flatten(part, expand_composites=True) for part in found]


def _pad(tensor: tf.Tensor, axis: int, size: int) -> tf.Tensor:
    rows = tf.shape(tensor)[axis]
    # One row of zeros behind, in case there is none to repeat.
    empty = tf.zeros(
        tf.concat([tf.shape(tensor)[:axis], [1], tf.shape(tensor)[axis + 1 :]], 0), tensor.dtype
    )
    index = tf.minimum(tf.range(size), tf.maximum(rows - 1, 0))
    return tf.gather(tf.concat([tensor, empty], axis), index, axis=axis)


def _pad_sparse(tensor: tf.SparseTensor, size: int) -> tf.SparseTensor:
    shape = tf.concat([tf.maximum(tensor.dense_shape[:1], size), tensor.dense_shape[1:]], 0)
    return tf.SparseTensor(tensor.indices, tensor.values, shape)


def _pad_ragged(tensor: tf.RaggedTensor, size: int) -> tf.RaggedTensor:
    splits = tensor.row_splits
    more = tf.maximum(size + 1 - tf.size(splits), 0)
    splits = tf.concat([splits, tf.repeat(splits[-1:], more)], 0)
    return tf.RaggedTensor.from_row_splits(tensor.values, splits, validate=False)
