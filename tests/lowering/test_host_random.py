"""Random ops of a training on the host depend on the seed and the number of the batch alone."""

import numpy as np
import pytest
import tensorflow as tf

from tfx_tpu_estimator.lowering.graph_scope import seeded_graph
from tfx_tpu_estimator.lowering.host_random import BatchCounter

tf1 = tf.compat.v1


def draw(build, *, start=0, steps=3, seed=1):
    """Returns the values of `build()` in each step, and the number of batches after them."""
    with seeded_graph(seed):
        counter = BatchCounter(start)
        with counter.repeatable(seed):
            tensors = build()
        step = counter.count_with(tf.no_op())
        with tf1.Session() as session:
            session.run(counter.initializer)
            session.run(tf1.global_variables_initializer())
            values = [session.run((tensors, step))[0] for _ in range(steps)]
            return values, counter.read(session)


def in_loop():
    def body(i, drawn):
        return i + 1, tf.concat([drawn[1:], tf.random.uniform([1])], 0)

    return tf.while_loop(lambda i, _: i < 4, body, (0, tf.zeros([4])))[1]


KEYED = {
    "dropout": lambda: tf1.layers.dropout(tf.ones([8]), 0.5, training=True),
    "two of one kind": lambda: tf.stack([tf.random.normal([3]), tf.random.normal([3])]),
    "branch": lambda: tf.cond(tf.random.uniform([]) < 2.0, lambda: tf.random.normal([4]), in_loop),
    "loop": in_loop,
    "shuffle": lambda: tf.random.shuffle(tf.range(20)),
    "samples": lambda: tf.random.categorical(tf.zeros([1, 50]), tf.size(tf.zeros([5]))),
}


def test_what_is_drawn_depends_on_the_batch_alone():
    def build():
        return {name: make() for name, make in KEYED.items()}

    whole, count = draw(build, steps=5)
    assert count == 5
    rest, count = draw(build, start=2, steps=3)
    assert count == 5
    for name in KEYED:
        np.testing.assert_array_equal([v[name] for v in rest], [v[name] for v in whole[2:]])
        assert len({v[name].tobytes() for v in whole}) > 1, name
    pair = whole[0]["two of one kind"]
    assert (pair[0] != pair[1]).all()
    assert len(set(whole[0]["loop"].tolist())) == 4
    other, _ = draw(build, seed=2)
    assert (other[0]["shuffle"] != whole[0]["shuffle"]).any()


def test_initial_values_can_be_drawn():
    def build():
        return tf1.Variable(tf.random.truncated_normal([50]) * 2.0, name="weights").read_value()

    first, _ = draw(build)
    second, _ = draw(build, start=7)
    assert np.std(first[0]) > 0.5
    np.testing.assert_array_equal(first[0], first[2])
    assert (first[0] != second[0]).any()  # of another batch: it is restored from a checkpoint then


def test_a_function_of_a_dataset_does_not_draw_the_same_numbers_each_time():
    def build():
        data = tf.data.Dataset.range(4).map(lambda _: tf.random.uniform([])).batch(4).repeat()
        return tf1.data.make_one_shot_iterator(data).get_next()

    (first, *_), _ = draw(build)
    assert len(set(first.tolist())) == 4


def test_neither_does_a_loop_of_tensorflow_1():
    tf1.disable_control_flow_v2()
    try:
        (first, *_), _ = draw(in_loop)
    finally:
        tf1.enable_control_flow_v2()
    assert len(set(first.tolist())) == 4


def test_ops_without_a_stateless_form_stay_as_they_are():
    values, _ = draw(lambda: tf.random.gamma([4], 1.0))
    assert (values[0] != values[1]).any()


@pytest.mark.parametrize("start", [0, 5])
def test_a_model_without_random_ops_gets_no_op_before_its_own(start):
    with seeded_graph(1) as graph, BatchCounter(start).repeatable(1):
        assert not graph.get_operations()
