"""A batch divided between replicas by ops, with what is missing filled up."""

import numpy as np
import pytest
import tensorflow as tf

from tfx_tpu_estimator.inputs.sharding import TensorShards
from tfx_tpu_estimator.inputs.split_in_graph import split_leaf

SPARSE = tf.SparseTensor([[0, 1], [2, 0]], ["a", "b"], [3, 2])


def shards(parts, size, axis=0, static=False):
    return TensorShards(
        name="x", spec=None, parts=parts, axis=axis, size=size, varies=not static, static=static
    )


def as_dense(components, template):
    if isinstance(template, tf.SparseTensor):
        return tf.sparse.to_dense(tf.SparseTensor(*components), "").numpy().tolist()
    if isinstance(template, tf.RaggedTensor):
        return tf.RaggedTensor.from_row_splits(*components).to_list()
    return components[0].numpy().tolist()


@pytest.mark.parametrize(
    ("leaf", "expected"),
    [
        (tf.constant(["a", "b", "c"]), [[b"a", b"b"], [b"c", b"c"]]),
        (tf.constant([[1, 2], [3, 4], [5, 6]]), [[[1, 2], [3, 4]], [[5, 6], [5, 6]]]),
        (SPARSE, [[[b"", b"a"], [b"", b""]], [[b"b", b""], [b"", b""]]]),
        (tf.ragged.constant([[1, 2], [], [3]]), [[[1, 2], []], [[3], []]]),
    ],
)
def test_a_partial_batch_is_filled_up(leaf, expected):
    found = split_leaf(leaf, shards(2, 4), pad=True)
    assert [as_dense(part, leaf) for part in found] == expected


def test_a_whole_batch_goes_to_one_replica_as_it_is():
    ((found,),) = split_leaf(tf.constant(["a", "b"]), shards(1, 2, static=True), pad=True)
    assert found.numpy().tolist() == [b"a", b"b"]
    ((indices, _, shape),) = split_leaf(SPARSE, shards(1, 3), pad=False)
    assert indices.shape == [2, 2]
    assert shape.numpy().tolist() == [3, 2]


def test_another_dimension_can_count_examples():
    leaf = tf.constant(np.arange(6).reshape(2, 3))
    (first,), (second,), (third,) = split_leaf(leaf, shards(3, 3, axis=1, static=True), pad=True)
    assert [t.numpy().tolist() for t in (first, second, third)] == [
        [[0], [3]],
        [[1], [4]],
        [[2], [5]],
    ]


def test_no_example_at_all_becomes_zeros():
    found = split_leaf(tf.zeros([0], tf.string), shards(2, 4), pad=True)
    assert [as_dense(part, tf.constant("")) for part in found] == [[b"", b""], [b"", b""]]
