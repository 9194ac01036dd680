"""Which signatures a model is exported with."""

import pytest
import tensorflow as tf

from tfx_tpu_estimator.export.receivers import ServingInputReceiver
from tfx_tpu_estimator.export.signatures import build_signatures
from tfx_tpu_estimator.export_output import PredictOutput, RegressionOutput

tf1 = tf.compat.v1


@pytest.fixture(autouse=True)
def _graph():
    with tf.Graph().as_default():
        yield


def parse():
    """Two ways to feed one feature: tf.Examples, and what is parsed from them."""
    examples = tf1.placeholder(tf.string, [None], name="examples")
    parsed = tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"]
    return examples, parsed


def test_every_way_to_feed_has_its_signatures():
    examples, parsed = parse()
    receiver = ServingInputReceiver(parsed, examples, {"parsed": {"x": parsed}})
    outputs = {"regression": RegressionOutput(parsed * 2), "predict": PredictOutput(parsed * 2)}
    signatures = build_signatures(receiver, outputs)
    # Numbers are no tf.Examples: there is no "parsed:regression".
    assert sorted(signatures) == ["parsed:predict", "predict", "regression"]
    assert signatures["parsed:predict"].inputs["x"].name == parsed.name


def test_outputs_that_need_more_than_is_fed_are_left_out(caplog):
    first, second = (tf1.placeholder(tf.float32, [None], name=name) for name in ("a", "b"))
    receiver = ServingInputReceiver(first, {"a": first, "b": second}, {"one": {"a": first}})
    outputs = {"both": PredictOutput(first + second), "one": PredictOutput(first * 2)}
    assert sorted(build_signatures(receiver, outputs)) == ["both", "one", "one:one"]
    assert "'one:both' is left out" in caplog.text
    assert "insufficient, as it depends on the placeholder 'b'" in caplog.text


def test_no_signature_at_all():
    first, second = (tf1.placeholder(tf.float32, [None], name=name) for name in ("a", "b"))
    with pytest.raises(ValueError, match=r"No signature can be exported.*placeholder 'b'"):
        build_signatures(ServingInputReceiver(first, {"a": first}), {"out": PredictOutput(second)})


@pytest.mark.parametrize(
    ("make", "encoding"),
    [
        (lambda: tf1.sparse.placeholder(tf.float32, [None, 2]), "coo_sparse"),
        (lambda: tf1.ragged.placeholder(tf.float32, 1, []), "composite_tensor"),
    ],
)
def test_tensors_of_several_parts_can_be_fed(make, encoding):
    x = make()
    dense = tf.sparse.to_dense(x) if encoding == "coo_sparse" else x.to_tensor()
    receiver = ServingInputReceiver({"x": x}, {"x": x})
    signatures = build_signatures(receiver, {"predict": PredictOutput({"y": dense * 2.0})})
    assert signatures["predict"].inputs["x"].WhichOneof("encoding") == encoding
