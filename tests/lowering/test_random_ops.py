"""Random numbers: of the right law, of their own stream, the same in every run."""

import numpy as np
import pytest
import tensorflow as tf
from helpers.lowered import initial_values, run, trace

from tfx_tpu_estimator.lowering.hlo import lower_model
from tfx_tpu_estimator.specs import ModeKeys, TPUEstimatorSpec

tf1 = tf.compat.v1
X = np.zeros([4, 1], "float32")


def draw(build, *, replicas=2, steps=2, seed=1, start=0):
    """Returns the tensors of `build(x)` as [steps, replicas, ...]."""

    def model_fn(features, labels, mode, params):
        tensors = {str(i): t for i, t in enumerate(build(features))}
        return TPUEstimatorSpec(mode, predictions=tensors)

    traced = trace(model_fn, X, mode=ModeKeys.PREDICT, replicas=replicas, seed=seed)
    _, outputs = run(lower_model(traced), initial_values(traced), X, steps=steps, start=start)
    return list(outputs.values())


LAWS = {
    "uniform": (lambda x: tf1.random_uniform([2000], -1.0, 1.0), 0.0, 1 / np.sqrt(3)),
    "normal": (lambda x: tf1.random_normal([2000], 2.0, 3.0), 2.0, 3.0),
    "truncated_normal": (lambda x: tf.random.truncated_normal([2000]), 0.0, 0.88),
    "uniform_int": (lambda x: tf.random.uniform([2000], 0, 10, tf.int32), 4.5, 2.87),
    "categorical": (
        lambda x: tf.random.categorical(tf.math.log([[0.5, 0.0, 0.5]]), 2000)[0], 1.0, 1.0),
    "multinomial": (lambda x: tf1.multinomial(tf.math.log([[0.1, 0.9]]), 2000)[0], 0.9, 0.3),
    "shuffle": (lambda x: tf.random.shuffle(tf.range(100)), 49.5, 28.87),
    "dropout": (lambda x: tf.nn.dropout(tf.ones([2000]), 0.25), 1.0, 0.577),
    "v1_dropout_layer": (
        lambda x: tf1.layers.dropout(tf.ones([2000]), 0.25, training=True), 1.0, 0.577),
    "bfloat16": (lambda x: tf.cast(tf.random.normal([2000], dtype=tf.bfloat16), tf.float32), 0, 1),
}  # fmt: skip


def test_laws_and_streams():
    # One program for all of them: compiling is what takes time here.
    builds = {name: law[0] for name, law in LAWS.items()}
    drawn = dict(zip(builds, draw(lambda x: [b(x) for b in builds.values()]), strict=True))
    again = dict(zip(builds, draw(lambda x: [b(x) for b in builds.values()]), strict=True))
    for name, (_, mean, deviation) in LAWS.items():
        sample = drawn[name].astype("float64")
        assert abs(sample.mean() - mean) < 0.1 * max(deviation, 0.1), name
        assert abs(sample.std() - deviation) < 0.1 * deviation, name
        rows = sample.reshape(4, -1)
        assert len({row.tobytes() for row in rows}) == 4, f"{name}: replicas or steps draw equally"
        np.testing.assert_array_equal(drawn[name], again[name], err_msg=name)
    shuffled = drawn["shuffle"].reshape(4, 100)
    np.testing.assert_array_equal(np.sort(shuffled, axis=1), [np.arange(100)] * 4)


def in_loop(x):
    def body(i, drawn):
        value = tf.random.uniform([]) + tf.random.uniform([])
        return i + 1, tf.tensor_scatter_nd_update(drawn, [[i]], [value])

    start = [0, tf.zeros([8])]
    return tf1.while_loop(lambda i, d: i < 8, body, start, maximum_iterations=8)[1]


def in_branch(x):
    return tf1.cond(
        tf.reduce_sum(x) >= 0, lambda: tf.random.uniform([8]), lambda: tf.random.uniform([8]) - 1
    )


def test_all_ops_of_a_model_draw_differently():
    def build(x):
        plain = [tf.random.uniform([8]) for _ in range(3)]
        seeded = [tf.random.uniform([8], seed=7) for _ in range(2)]
        return [*plain, *seeded, in_loop(x), in_loop(x), in_branch(x)]

    values = np.concatenate([v.reshape(4, -1) for v in draw(build)], axis=1)
    assert len(np.unique(values)) == values.size


def test_the_seed_and_the_step_decide():
    def build(x):
        return [tf.random.uniform([8])]

    (first,), (other,), (later,) = draw(build), draw(build, seed=2), draw(build, start=1, steps=1)
    assert not (first == other).any()
    np.testing.assert_array_equal(first[1], later[0])


def test_another_op_does_not_change_the_rest():
    (alone,) = draw(lambda x: [tf1.random_uniform([8], name="mine")])
    _, beside = draw(lambda x: [tf1.random_normal([3]), tf1.random_uniform([8], name="mine")])
    np.testing.assert_array_equal(alone, beside)


def test_names_of_loops_do_not_depend_on_what_was_traced_before():
    first = draw(lambda x: [in_loop(x), in_branch(x)])
    second = draw(lambda x: [in_loop(x), in_branch(x)])
    for left, right in zip(first, second, strict=True):
        np.testing.assert_array_equal(left, right)


def test_dropout_while_a_tape_records():
    def build(x):
        weight = tf.identity(tf.ones([64]))
        with tf.GradientTape() as tape:
            tape.watch(weight)
            dropped = tf.nn.dropout(weight, 0.5)
            loss = tf.reduce_sum(tf.square(dropped))
        return [dropped, tape.gradient(loss, weight)]

    dropped, gradient = draw(build, replicas=1, steps=1)
    np.testing.assert_allclose(gradient, 2 * dropped * 2, rtol=1e-6)


@pytest.mark.parametrize("op", [tf.random.gamma, tf.random.poisson])
def test_laws_without_a_repeatable_form(op):
    message = r"made at .*test_random_ops.py:\d+, cannot run on a TPU. Draw"
    with pytest.raises(ValueError, match=message):
        draw(lambda x: [op([2], 1.0)])
