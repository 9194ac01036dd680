"""What only a host can do with the batch is done there, and what it cannot is said."""

import numpy as np
import pytest
import tensorflow as tf
from helpers.lowered import as_model_fn, initial_values, run, trace

from tfx_tpu_estimator.inputs.host_stage import HostStage
from tfx_tpu_estimator.lowering.extract import extract_device_graph
from tfx_tpu_estimator.lowering.hlo import lower_model
from tfx_tpu_estimator.specs import ModeKeys

tf1 = tf.compat.v1
X = np.random.RandomState(0).randn(4, 3).astype("float32")
IDS = np.array([3, 1, 4, 1], "int32")
WORDS = np.array(["one", "three", "", "twelve"])
IMAGE = np.random.RandomState(1).rand(2, 8, 8, 3).astype("float32")


def kernel():
    return tf1.get_variable("kernel", [3, 2], initializer=tf1.constant_initializer(0.5))


def compute_on_host(host: HostStage, arrays):
    """What the host gives the devices for one batch, computed in a graph of an input."""
    with tf.Graph().as_default(), tf1.Session() as session:
        work = host.install()
        outputs = work([tf.constant(a) for a in arrays])
        session.run(tf1.tables_initializer())
        return session.run(outputs)


def run_divided(build, arrays):
    """What the host sends, its results, and the tensors of a step on one device."""
    traced = trace(as_model_fn(build), tuple(arrays), mode=ModeKeys.PREDICT)
    device_graph = extract_device_graph(traced)
    host = device_graph.host
    assert host is not None
    computed = compute_on_host(host, arrays)
    sent = [a for a, n in zip(arrays, traced.input_names, strict=True) if n in host.sent]
    program = lower_model(traced, device_graph)
    computed = [np.reshape(c, c.shape or [1]) for c in computed]
    _, outputs = run(program, initial_values(traced), (*sent, *computed))
    return host, [outputs[name][0, 0] for name in outputs]


def lookup(words):
    keys = tf.constant(["one", "two", "three"])
    values = tf.constant([0, 1, 2], tf.int64)
    table = tf1.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), 1)
    return [tf.gather(kernel(), table.lookup(words)) + tf.cast(table.size(), tf.float32)]


def boxes(x):
    return [tf.image.crop_and_resize(x, tf.constant([[0, 0, 1, 1.0]]), [0], [4, 4])]


def parse(x):
    spec = {"a": tf.io.FixedLenFeature([], tf.float32, 7.0)}
    return [x + tf.reshape(tf.io.parse_example(tf.constant([""]), spec)["a"], [])]


def in_a_loop(x):
    def body(i, h):
        return i + 1, tf.ensure_shape(tf1.py_func(np.tanh, [h], tf.float32), [4, 3])

    loop = tf1.while_loop(lambda i, h: i < 3, body, [0, x], maximum_iterations=3)
    return [tf.matmul(loop[1], kernel())]


def ragged_lengths(words):
    pieces = tf.strings.bytes_split(words)
    return [tf.equal(pieces.to_tensor("", shape=[4, 2])[:, 0], "t")]


# By name: arrays that go in, the model, and what it gives.
ROWS = {
    "strings": ([WORDS], lambda x: [tf.strings.length(x) * 2], [6, 10, 0, 12]),
    "numbers_as_strings": ([IDS], lambda x: [tf.strings.length(tf.strings.as_string(x))],
                           [1, 1, 1, 1]),
    "table": ([WORDS], lookup, np.full([4, 2], 3.5)),
    "python": ([X], lambda x: [tf.matmul(
        tf.ensure_shape(tf1.py_func(np.tanh, [x], tf.float32), [4, 3]), kernel())],
        np.tanh(X).sum(1, keepdims=True) * [[0.5, 0.5]]),
    "python_in_a_loop": ([X], in_a_loop,
                         np.tanh(np.tanh(np.tanh(X))).sum(1, keepdims=True) * [[0.5, 0.5]]),
    "crop_and_resize": ([IMAGE], boxes, None),
    "parse_example": ([X], parse, X + 7),
    "ragged": ([WORDS], ragged_lengths, [False, True, False, True]),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_of_the_batch_alone_the_host_can_do_it(row):
    arrays, build, expected = ROWS[row]
    host, (found,) = run_divided(build, arrays)
    assert host.outputs
    assert all(output.name.startswith("host/") for output in host.outputs)
    if expected is None:
        with tf.Graph().as_default(), tf1.Session() as session:
            (expected,) = session.run(build(*(tf.constant(a) for a in arrays)))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_numbers_go_to_both_where_both_need_them():
    def build(x, words):
        letters = tf.cast(tf.strings.length(words), tf.float32)
        rounded = tf.strings.to_number(tf.strings.as_string(x[:, 0], precision=0))
        return [tf.matmul(x, kernel())[:, 0] + letters + rounded]

    host, (found,) = run_divided(build, [X, WORDS])
    assert host.sent == ("features/0",)
    expected = X.sum(1) * 0.5 + [3, 5, 0, 6] + np.array([float(f"{v:.0f}") for v in X[:, 0]])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_what_the_devices_do_not_need_stays_behind():
    def build(x, words):
        return [tf.strings.length(words)]

    host, _ = run_divided(build, [X, WORDS])
    assert host.sent == ()
    assert [(o.spec, o.of_batch) for o in host.outputs] == [(tf.TensorSpec([4], tf.int32), True)]


def test_checks_of_the_batch_are_made_on_the_host():
    def build(words):
        check = tf1.assert_less(tf.strings.length(words), 6, message="too long")
        with tf.control_dependencies([check]):
            return [tf.strings.length(tf.strings.upper(words))]

    with pytest.raises(tf.errors.InvalidArgumentError, match="too long"):
        run_divided(build, [WORDS])


def of_variable(x):
    return tf.strings.length(tf.strings.as_string(tf.matmul(x, kernel())))


def of_random(x):
    return tf.strings.length(tf.strings.as_string(x + tf.random.uniform([4, 3])))


def of_both(words):
    table = tf.strings.as_string(kernel()[0, 0])
    return tf.strings.length(tf.strings.join([words, table]))


@pytest.mark.parametrize(
    ("build", "arrays", "message"),
    [
        (of_variable, [X], r"AsString, made at .*test_host_split.py:\d+, cannot run on a TPU. It "
         "depends on variable `kernel`, which the host.*Strings exist only on the host"),
        (of_random, [X], r"AsString, made at .*It depends on random numbers of the device"),
        (of_both, [WORDS], r"AsString, made at .*It depends on variable `kernel`"),
    ],
)  # fmt: skip
def test_what_the_host_cannot_know(build, arrays, message):
    traced = trace(as_model_fn(lambda *a: [build(*a)]), tuple(arrays), mode=ModeKeys.PREDICT)
    with pytest.raises(ValueError, match=message):
        extract_device_graph(traced)


def test_a_tensor_of_strings_cannot_leave():
    traced = trace(as_model_fn(lambda x: [x]), (WORDS,), mode=ModeKeys.PREDICT)
    message = r"\(string\), made at .* a TPU has no such values. Return numbers"
    with pytest.raises(ValueError, match=message):
        extract_device_graph(traced)


def test_a_shape_that_depends_on_data():
    def build(words):
        letters = tf.strings.unicode_decode(words, "UTF-8").to_tensor(0)
        return [tf.reduce_sum(tf.cast(letters, tf.float32) * kernel()[0, 0], axis=1)]

    traced = trace(as_model_fn(build), (WORDS,), mode=ModeKeys.PREDICT)
    message = r"test_host_split.py:\d+, runs on the host and has a result of shape \(4?N?.*Give it"
    with pytest.raises(ValueError, match=message):
        extract_device_graph(traced)


def lengths(words):
    ragged = tf.strings.bytes_split(words)
    counts = tf.cast(tf.concat([ragged.row_lengths()[:2], ragged.row_lengths()[2:]], 0), tf.float32)
    return [tf.reduce_sum(counts * kernel()[0, 0])]


def test_a_row_for_each_example_is_taken_for_granted_and_checked():
    def unknown(words):
        kept = tf.strings.length(tf.gather(words, tf.where(tf.strings.length(words) > 0)[:, 0]))
        return [tf.reduce_sum(tf.cast(kept, tf.float32) * kernel()[0, 0])]

    _, (found,) = run_divided(lengths, [WORDS])
    np.testing.assert_allclose(found, 7)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[3\] is not compatible"):
        run_divided(unknown, [WORDS])


def test_a_model_that_uses_nothing():
    traced = trace(as_model_fn(lambda x: [kernel()]), (WORDS,), mode=ModeKeys.PREDICT)
    with pytest.raises(ValueError, match="uses none of its features"):
        extract_device_graph(traced)


def test_a_model_without_such_ops_is_not_divided():
    traced = trace(as_model_fn(lambda x: [tf.matmul(x, kernel())]), (X,), mode=ModeKeys.PREDICT)
    device_graph = extract_device_graph(traced)
    assert device_graph.host is None
    assert device_graph.inputs == traced.inputs
