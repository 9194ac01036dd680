"""Signatures of both graphs, paired."""

import pytest
import tensorflow as tf

from tfx_tpu_estimator.skew_check.saved_graphs import SERVE, SERVE_TPU
from tfx_tpu_estimator.skew_check.signatures import pair_signatures


def make_metagraph(**outputs):
    metagraph = tf.compat.v1.MetaGraphDef()
    signature = metagraph.signature_def["serving_default"]
    signature.inputs["x"].name = "x:0"
    signature.inputs["x"].dtype = tf.float32.as_datatype_enum
    for key, dtype in outputs.items():
        signature.outputs[key].name = f"{key}:0"
        signature.outputs[key].dtype = dtype.as_datatype_enum
    return metagraph


def pair(serve, tpu):
    metagraphs = {SERVE: make_metagraph(**serve), SERVE_TPU: make_metagraph(**tpu)}
    return pair_signatures(metagraphs, None)[0]


def test_strings_that_a_tpu_cannot_give_are_a_note():
    found = pair({"scores": tf.float32, "classes": tf.string}, {"scores": tf.float32})
    assert found.outputs == ("scores",)
    assert found.problems == ()
    assert found.notes == ("output 'classes', strings, is only in {serve}: not compared.",)


@pytest.mark.parametrize(
    ("serve", "tpu", "problem"),
    [
        (
            {"scores": tf.float32, "ids": tf.int64},
            {"scores": tf.float32},
            "{serve, tpu} lacks output 'ids', which the other graph has.",
        ),
        (
            {"scores": tf.float32},
            {"scores": tf.float32, "classes": tf.string},
            "{serve} lacks output 'classes', which the other graph has.",
        ),
    ],
)
def test_any_other_output_that_is_missing_is_a_problem(serve, tpu, problem):
    found = pair(serve, tpu)
    assert found.problems == (problem,)
    assert found.notes == ()


@pytest.mark.parametrize(
    "make",
    [
        lambda: tf.compat.v1.sparse.placeholder(tf.float32, [None, 2]),
        lambda: tf.compat.v1.ragged.placeholder(tf.float32, 1, []),
    ],
)
def test_an_input_of_several_tensors_is_a_problem(make):
    with tf.Graph().as_default():
        info = tf.compat.v1.saved_model.build_tensor_info(make())
    metagraph = make_metagraph(scores=tf.float32)
    metagraph.signature_def["serving_default"].inputs["x"].CopyFrom(info)
    (found,) = pair_signatures({SERVE: metagraph, SERVE_TPU: metagraph}, None)
    assert found.outputs == ()
    assert found.problems == (
        "input 'x' is a SparseTensor or RaggedTensor, which this check cannot feed. Export it with "
        "a receiver that takes tf.Examples.",
    )
