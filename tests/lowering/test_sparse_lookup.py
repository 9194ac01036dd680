"""Sparse lookups that are padded and combined give what TensorFlow's own give."""

import contextlib

import numpy as np
import pytest
import tensorflow as tf

from tfx_tpu_estimator.lowering.sparse_lookup import LookupScope, combine_rows, dense_lookups

tf1 = tf.compat.v1
TABLE = np.random.RandomState(1).randn(7, 3).astype("float32")
PLACES = [[0, 0], [0, 2], [1, 1], [3, 0], [3, 1], [3, 2]]
IDS = [1, -1, 3, 2, 2, 5]
WEIGHTS = [0.5, 1.0, 2.0, -1.0, 0.0, 3.0]


def look_up(look, *, ours, table=TABLE, ids=IDS, dtype=tf.float32):
    """The result of `look(table, ids, weights)` and the table's gradient, with all padded names."""
    with tf.Graph().as_default() as graph, tf1.Session() as session:
        variable = tf.cast(tf1.get_variable("table", initializer=table), dtype)
        sparse = tf.SparseTensor(PLACES, tf.constant(ids, tf.int64), [5, 3])
        weights = tf.SparseTensor(PLACES, tf.constant(WEIGHTS, dtype), [5, 3])
        scope = LookupScope(graph, 5)
        with dense_lookups(scope) if ours else contextlib.nullcontext():
            result = look(variable, sparse, weights)
        gradient = tf1.gradients(tf.reduce_sum(result * result), variable)[0]
        session.run(tf1.global_variables_initializer())
        found = session.run([tf.cast(result, tf.float32), tf.convert_to_tensor(gradient)])
    return found, scope.padded


@pytest.mark.parametrize("combiner", ["sum", "mean", "sqrtn"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("default_id", [None, 4])
@pytest.mark.parametrize("max_norm", [None, 0.5])
def test_lookups_that_ignore_what_is_missing(combiner, weighted, default_id, max_norm):
    def look(table, ids, weights):
        return tf1.nn.safe_embedding_lookup_sparse(
            table,
            ids,
            weights if weighted else None,
            combiner=combiner,
            default_id=default_id,
            max_norm=max_norm,
        )

    expected, _ = look_up(look, ours=False)
    found, padded = look_up(look, ours=True)
    assert len(padded) == 1 + weighted
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("strategy", ["mod", "div"])
def test_a_table_in_parts(strategy):
    def look(table, ids, weights):
        parts = [table[::2], table[1::2]] if strategy == "mod" else [table[:4], table[4:]]
        return tf1.nn.safe_embedding_lookup_sparse(parts, ids, None, partition_strategy=strategy)

    expected, _ = look_up(look, ours=False)
    found, _ = look_up(look, ours=True)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_plain_lookups_keep_a_row_for_every_example(name):
    def look(table, ids, weights):
        ids, _ = tf.sparse.fill_empty_rows(ids, tf.constant(2, tf.int64))
        if name == "v1":
            return tf1.nn.embedding_lookup_sparse(table, ids, None, combiner="sum")
        return tf.nn.embedding_lookup_sparse(table, ids, None, combiner="sum")

    ids = [abs(i) for i in IDS]
    expected, _ = look_up(look, ours=False, ids=ids)
    found, _ = look_up(look, ours=True, ids=ids)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)
    with pytest.raises(tf.errors.InvalidArgumentError, match="`sp_ids` has an id below 0"):
        look_up(look, ours=True)


def test_low_precision_is_added_up_in_float32():
    def look(table, ids, weights):
        return tf1.nn.safe_embedding_lookup_sparse(table, ids, weights, combiner="mean")

    expected, _ = look_up(look, ours=False, dtype=tf.bfloat16)
    found, _ = look_up(look, ours=True, dtype=tf.bfloat16)
    np.testing.assert_array_equal(found[0], expected[0])


def test_a_row_that_is_not_finite_harms_no_other():
    table = TABLE.copy()
    table[0] = np.nan
    found, _ = look_up(
        lambda t, ids, w: tf1.nn.safe_embedding_lookup_sparse(t, ids, w), ours=True, table=table
    )
    assert np.isfinite(found[0]).all()


def test_only_the_graph_of_the_model_is_concerned():
    with dense_lookups(LookupScope(tf.Graph(), 5)):
        _, padded = look_up(
            lambda t, ids, w: tf1.nn.safe_embedding_lookup_sparse(t, ids, w), ours=False
        )
    assert not padded


def test_long_rows_get_a_width_as_the_data_needs_it():
    with tf.Graph().as_default() as graph:
        scope = LookupScope(graph, 4)
        ids = tf.SparseTensor([[0, 90]], tf.constant([3], tf.int64), [4, 100])
        with dense_lookups(scope):
            result = tf1.nn.safe_embedding_lookup_sparse(tf.constant(TABLE), ids)
        (name,) = scope.padded
        padded = graph.get_tensor_by_name(name)
        assert padded.shape.as_list() == [4, None]
        assert padded.dtype == tf.int32
        assert result.shape == [4, 3]
        with tf1.Session() as session:
            assert session.run(padded).tolist() == [[3], [-1], [-1], [-1]]


@pytest.mark.parametrize("weighted", [False, True])
def test_steps_of_sequences_keep_their_places(weighted):
    """What is missing in a sequence stays so; the length is that of the longest."""
    places, ids = [[0, 0, 0], [0, 2, 0], [1, 1, 0]], [1, 3, 6]
    results = []
    for ours in (False, True):
        with tf.Graph().as_default() as graph, tf1.Session() as session:
            shape = tf.stack([2, tf1.placeholder_with_default(tf.constant(3, tf.int64), []), 1])
            sparse = tf.SparseTensor(places, tf.constant(ids, tf.int64), shape)
            weights = tf.SparseTensor(places, tf.constant([0.5, 2.0, -1.0]), shape)
            scope = LookupScope(graph, 2)
            with dense_lookups(scope) if ours else contextlib.nullcontext():
                rows = tf1.nn.safe_embedding_lookup_sparse(
                    tf.constant(TABLE), sparse, weights if weighted else None, combiner="sum"
                )
            assert len(scope.padded) == ours * (1 + weighted)
            results.append(session.run(rows))
    assert results[1].shape == (2, 3, 3)
    np.testing.assert_allclose(results[1], results[0], rtol=1e-6)


def test_several_ids_in_a_step_of_a_sequence():
    with tf.Graph().as_default() as graph, tf1.Session() as session:
        shape = tf.stack([2, tf1.placeholder_with_default(tf.constant(3, tf.int64), []), 2])
        sparse = tf.SparseTensor([[0, 0, 1]], tf.constant([1], tf.int64), shape)
        with dense_lookups(LookupScope(graph, 2)):
            rows = tf1.nn.safe_embedding_lookup_sparse(tf.constant(TABLE), sparse)
        with pytest.raises(tf.errors.InvalidArgumentError, match="sequence has several ids"):
            session.run(rows)


def test_an_unknown_combiner():
    with pytest.raises(ValueError, match="`combiner` must be one of mean, sqrtn or sum; got 'max'"):
        combine_rows(tf.zeros([1, 1, 2]), None, "max")
