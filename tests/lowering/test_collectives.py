"""Sums and exchanges between replicas, against numpy."""

import numpy as np
import pytest
import tensorflow as tf
from helpers.lowered import initial_values, run, trace

from tfx_tpu_estimator.lowering.hlo import lower_model
from tfx_tpu_estimator.specs import ModeKeys, TPUEstimatorSpec

tf1 = tf.compat.v1
REPLICAS = 4
X = np.random.default_rng(0).normal(size=[8, 4]).astype("float32")
SHARDS = X.reshape(REPLICAS, 2, 4)


def tpu_ops():
    """Exchange ops have no public name; models import them from here."""
    from tensorflow.python.tpu.ops import tpu_ops

    return tpu_ops


def predict(build, features=X):
    """Returns each tensor of `build(features)` over replicas: [replicas, ...]."""

    def model_fn(features, labels, mode, params):
        tensors = {str(i): t for i, t in enumerate(build(features))}
        return TPUEstimatorSpec(mode, predictions=tensors)

    traced = trace(model_fn, features, mode=ModeKeys.PREDICT, replicas=REPLICAS)
    _, outputs = run(lower_model(traced), initial_values(traced), features)
    return [value[0] for value in outputs.values()]


def test_sum_over_all_replicas():
    (total,) = predict(lambda x: [tf1.tpu.cross_replica_sum(x)])
    np.testing.assert_allclose(total, [SHARDS.sum(axis=0)] * REPLICAS, rtol=1e-5)


def test_sum_within_groups():
    groups = [[0, 2], [1, 3]]
    (total,) = predict(lambda x: [tf1.tpu.cross_replica_sum(x, groups)])
    expected = [SHARDS[[0, 2]].sum(axis=0), SHARDS[[1, 3]].sum(axis=0)] * 2
    np.testing.assert_allclose(total, expected, rtol=1e-5)


def test_sums_that_depend_on_each_other():
    def build(x):
        mean = tf1.tpu.cross_replica_sum(x) / REPLICAS
        return [tf1.tpu.cross_replica_sum(tf.square(x - mean))]

    (spread,) = predict(build)
    expected = np.square(SHARDS - SHARDS.mean(axis=0)).sum(axis=0)
    np.testing.assert_allclose(spread, [expected] * REPLICAS, rtol=1e-4)


def test_gradient_of_a_sum_is_a_sum():
    def build(x):
        x = tf.identity(x)
        total = tf1.tpu.cross_replica_sum(x)
        return [tf.gradients(total * replica_id(tf.float32), x)[0]]

    (gradient,) = predict(build)
    np.testing.assert_allclose(gradient, np.full([4, 2, 4], 0.0 + 1 + 2 + 3), rtol=1e-6)


def test_gradient_of_a_sum_by_a_tape():
    def build(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf1.tpu.cross_replica_sum(x) * replica_id(tf.float32))
        return [tape.gradient(loss, x)]

    (gradient,) = predict(build)
    np.testing.assert_allclose(gradient, np.full([4, 2, 4], 6.0), rtol=1e-6)


def test_sum_inside_a_loop_and_a_branch():
    def build(x):
        def body(i, total):
            return i + 1, total + tf1.tpu.cross_replica_sum(x)

        _, total = tf1.while_loop(
            lambda i, total: i < 3, body, [0, tf.zeros_like(x)], maximum_iterations=3
        )
        return [total]

    (total,) = predict(build)
    np.testing.assert_allclose(total, [3 * SHARDS.sum(axis=0)] * REPLICAS, rtol=1e-5)


def replica_id(dtype=tf.int32):
    from tensorflow.compiler.tf2xla.python import xla

    return tf.cast(xla.replica_id(), dtype)


def test_replica_id():
    (ids,) = predict(lambda x: [tf.reshape(replica_id(), [1])])
    np.testing.assert_array_equal(ids.ravel(), range(REPLICAS))
    assert ids.dtype == np.int32


def test_all_to_all():
    def build(x):
        return [tpu_ops().all_to_all(x, concat_dimension=0, split_dimension=1, split_count=4)]

    (exchanged,) = predict(build)
    for receiver in range(REPLICAS):
        expected = np.concatenate([SHARDS[s][:, receiver : receiver + 1] for s in range(REPLICAS)])
        np.testing.assert_allclose(exchanged[receiver], expected, rtol=1e-6)


def test_all_to_all_within_groups():
    def build(x):
        groups = [[0, 1], [2, 3]]
        return [tpu_ops().all_to_all(x, 1, 0, 2, group_assignment=groups)]

    (exchanged,) = predict(build)
    for receiver in range(REPLICAS):
        first, row = 2 * (receiver // 2), receiver % 2
        expected = np.concatenate([SHARDS[first][row], SHARDS[first + 1][row]])[None]
        np.testing.assert_allclose(exchanged[receiver], expected, rtol=1e-6)


def test_collective_permute():
    pairs = [[0, 1], [1, 2], [2, 3]]
    (moved,) = predict(lambda x: [tpu_ops().collective_permute(x, pairs)])
    np.testing.assert_array_equal(moved[0], np.zeros_like(moved[0]))
    np.testing.assert_allclose(moved[1:], SHARDS[:-1], rtol=1e-6)


def test_batch_norm_over_all_replicas_trains_as_one_replica_does():
    def model_fn(features, labels, mode, params):
        x = tf.matmul(features, tf1.get_variable("w", [4, 3]))
        count = params["replicas"]
        mean = tf1.tpu.cross_replica_sum(tf.reduce_mean(x, 0)) / count
        spread = tf1.tpu.cross_replica_sum(tf.reduce_mean(tf.square(x - mean), 0)) / count
        normal = (x - mean) * tf.math.rsqrt(spread + 1e-3)
        loss = tf.reduce_mean(tf.square(normal - labels))
        optimizer = tf1.tpu.CrossShardOptimizer(tf1.train.AdamOptimizer(0.1))
        op = optimizer.minimize(loss, tf1.train.get_global_step())
        return TPUEstimatorSpec(mode, loss=loss, train_op=op)

    labels = X[:, :3]
    states = []
    for replicas in (1, 4):
        traced = trace(model_fn, X, labels, replicas=replicas, params={"replicas": replicas})
        state, _ = run(lower_model(traced), initial_values(traced), X, labels, steps=3)
        states.append(state["w"])
    np.testing.assert_allclose(states[0], states[1], rtol=1e-4)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda x: [tf1.tpu.cross_replica_sum(tf.cast(x, tf.int64))],
         TypeError, "dtype int64: replicas can sum only float16, bfloat16, float32"),
        (lambda x: [tf1.tpu.cross_replica_sum(tf.cast(x, tf.float64))],
         TypeError, "dtype float64: replicas can sum only .* Cast it first"),
        (lambda x: [tf1.tpu.cross_replica_sum(x, [[0, 1]])],
         ValueError, r"`group_assignment` must .* each of the 4 replicas once; got \[\[0, 1\]\]"),
        (lambda x: [tpu_ops().all_to_all(x, 0, 1, 2)],
         ValueError, "`split_count` must be the group size 4; got 2"),
    ],
)  # fmt: skip
def test_what_cannot_be_exchanged(build, error, message):
    with pytest.raises(error, match=message):
        predict(build)
