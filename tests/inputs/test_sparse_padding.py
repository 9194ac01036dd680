"""Sparse ids become dense rows of equal width."""

import numpy as np
import pytest
import tensorflow as tf

from tfx_tpu_estimator.inputs.sparse_padding import pad_sparse, prune_sparse

IDS = tf.SparseTensor(
    [[0, 1], [0, 3], [2, 0], [2, 1], [2, 4]], tf.constant([5, 6, 7, 8, 9], tf.int64), [4, 5]
)
WEIGHTS = tf.SparseTensor(IDS.indices, tf.constant([1.0, 2.0, 0.0, -1.0, 0.5]), [4, 5])


def test_ids_move_to_the_beginning_of_their_row():
    ids, weights = pad_sparse(IDS)
    assert ids.dtype == tf.int64
    assert ids.numpy().tolist() == [[5, 6, -1], [-1, -1, -1], [7, 8, 9], [-1, -1, -1]]
    assert weights is None


def test_weights_stay_with_their_ids_and_a_width_can_be_given():
    ids, weights = pad_sparse(IDS, WEIGHTS, width=4)
    assert ids.shape == [4, 4]
    np.testing.assert_array_equal(
        weights.numpy(), [[1, 2, 0, 0], [0, 0, 0, 0], [0, -1, 0.5, 0], [0, 0, 0, 0]]
    )
    assert weights.dtype == tf.float32


def test_no_id_at_all():
    empty = tf.SparseTensor(np.zeros([0, 2], "int64"), tf.zeros([0], tf.int64), [3, 2])
    assert pad_sparse(empty).ids.shape == [3, 0]
    assert pad_sparse(empty, width=2).ids.numpy().tolist() == [[-1, -1]] * 3


def test_a_row_that_is_longer_than_the_width_is_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError, match="there is room for"):
        pad_sparse(IDS, width=2)


def test_the_width_is_checked_in_graphs_too():
    @tf.function
    def pad(ids):
        return pad_sparse(ids, width=2).ids

    with pytest.raises(tf.errors.InvalidArgumentError, match="there is room for"):
        pad(IDS)


@pytest.mark.parametrize(
    ("weights", "positive", "kept"),
    [(None, True, [6, 7]), (WEIGHTS, False, [6, 7]), (WEIGHTS, True, [6])],
)
def test_what_counts_for_nothing_is_dropped(weights, positive, kept):
    values = tf.constant([-5, 6, 7, -8, -9], tf.int64)
    ids = tf.SparseTensor(IDS.indices, values, IDS.dense_shape)
    ids, weights = prune_sparse(ids, weights, positive_weights=positive)
    assert ids.values.numpy().tolist() == kept
    assert weights is None or len(weights.values) == len(kept)
