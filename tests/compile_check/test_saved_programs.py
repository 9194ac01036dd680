"""Tests of taking programs out of {serve, tpu} graphs, built with TensorFlow's TPU functions."""

import pytest
import tensorflow as tf

from tfx_tpu_estimator.compile_check.saved_programs import lower_served_programs

tf1 = tf.compat.v1


def make_metagraph(build):
    """A metagraph with the signature of what `build` returns: inputs and outputs."""
    metagraph = tf1.MetaGraphDef()
    with tf.Graph().as_default() as graph:
        inputs, outputs = build()
        definition = tf1.saved_model.predict_signature_def(inputs, outputs)
        metagraph.graph_def.CopyFrom(graph.as_graph_def())
    metagraph.signature_def["serving_default"].CopyFrom(definition)
    return metagraph


def dense(x, name="w"):
    return tf.matmul(x, tf1.get_variable(name, [4, 4], use_resource=True))


def receive(*shape):
    return tf1.placeholder(tf.float32, shape, name="x")


def one_computation():
    x = receive(None, 4)
    return {"x": x}, {"y": tf1.tpu.rewrite(dense, [x])[0]}


def behind_parsing():
    examples = tf1.placeholder(tf.string, [None], name="examples")
    spec = {"x": tf.io.FixedLenFeature([4], tf.float32)}
    x = tf.io.parse_example(examples, spec)["x"]
    return {"examples": examples}, {"y": tf1.tpu.rewrite(dense, [x])[0]}


def two_in_a_row():
    x = receive(None, 4)
    first = tf1.tpu.rewrite(dense, [x])[0]
    # Its shape is known only when that of what the first one returns is.
    wide = tf.reshape(first, [tf.shape(first)[0] // 2, 8])
    second = tf1.tpu.rewrite(lambda y: tf.reduce_sum(y, 1), [wide])[0]
    return {"x": x}, {"y": second}


def with_a_trip_to_the_host():
    x = receive(None, 4)

    def computation(x):
        y = dense(x)
        text = tf1.tpu.outside_compilation(lambda y: tf.strings.length(tf.as_string(y)), y)
        return y * tf.cast(tf.ensure_shape(text, y.shape), tf.float32)

    return {"x": x}, {"y": tf1.tpu.rewrite(computation, [x])[0]}


def in_batches():
    x = receive(None, 4)
    run = tf.nondifferentiable_batch_function(1, 64, 0, [8, 64])(
        lambda x: tf1.tpu.rewrite(lambda y: y * 2.0, [x])[0]
    )
    return {"x": x}, {"y": run(x)}


def on_the_host():
    x = receive(None, 4)
    return {"x": x}, {"y": dense(x)}


@pytest.mark.parametrize(
    ("build", "asked", "shapes"),
    [
        (one_computation, 16, [[(16, 4)]]),
        (behind_parsing, 5, [[(5, 4)]]),
        (two_in_a_row, 16, [[(16, 4)], [(8, 8)]]),
        (with_a_trip_to_the_host, 3, [[(3, 4)], [(3, 4), (3, 4)]]),
        # The graph allows 8 and 64 rows only.
        (in_batches, 16, [[(8, 4)]]),
        (in_batches, 70, [[(64, 4)]]),
        (on_the_host, 16, []),
    ],
)
def test_shapes_follow_from_those_of_a_request(build, asked, shapes):
    served = lower_served_programs(make_metagraph(build), asked)
    assert [[s.shape for s in each.program.inputs] for each in served] == shapes
    assert all(each.program.module and each.program.num_replicas == 1 for each in served)


@pytest.mark.parametrize(("asked", "larger"), [(16, (64,)), (64, ())])
def test_larger_batches_that_the_graph_makes_are_known(asked, larger):
    (served,) = lower_served_programs(make_metagraph(in_batches), asked)
    assert served.larger == larger


def test_variables_are_described():
    (served,) = lower_served_programs(make_metagraph(one_computation), 2)
    (variable,) = served.program.state
    assert (variable.name, variable.shape, variable.dtype) == ("w", (4, 4), "float32")
    assert not variable.updated
    assert [output.shape for output in served.program.outputs] == [(2, 4)]
    assert served.varying == ()
    again = lower_served_programs(make_metagraph(one_computation), 2)[0]
    assert again.program.digest == served.program.digest
    other = lower_served_programs(make_metagraph(one_computation), 4)[0]
    assert other.program.digest != served.program.digest


def test_rows_that_only_a_request_says_are_told():
    def build():
        x = receive(None, 4)
        positive = tf.boolean_mask(x, x[:, 0] > 0)
        return {"x": x}, {"y": tf1.tpu.rewrite(lambda y: tf.reduce_sum(y), [positive])[0]}

    (served,) = lower_served_programs(make_metagraph(build), 6)
    assert [signature.shape for signature in served.program.inputs] == [(6, 4)]
    assert len(served.varying) == 1


def of_any_width():
    x = receive(None, None)
    return {"x": x}, {"y": tf1.tpu.rewrite(lambda y: y + 1.0, [x])[0]}


def with_a_string_op():
    x = receive(None, 4)
    return {"x": x}, {"y": tf1.tpu.rewrite(lambda y: tf.strings.length(tf.as_string(y)), [x])[0]}


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (of_any_width, r"shape \(4, None\), which does not follow from .* request.*fixed size"),
        (with_a_string_op, "AsString.* is inside the TPU computation .* no TPU can run it"),
    ],
)
def test_what_no_tpu_can_run_is_said(build, match):
    with pytest.raises(ValueError, match=match):
        lower_served_programs(make_metagraph(build), 4)
