"""EvalOutput: names as the old one gave them (seen with version 2.15), and what it refuses."""

import pytest
import tensorflow as tf

import tfx_tpu_estimator as tpu_estimator

tf1 = tf.compat.v1


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as made:
        yield made


def tensor():
    return tf.constant([1.0])


def test_signature_of_an_evaluation():
    output = tpu_estimator.EvalOutput(
        tensor(), {"p": tensor(), ("a", "b"): tensor()}, {"m": (tensor(), tf.no_op())}
    )
    signature = output.as_signature_def({"x": tf1.placeholder(tf.float32, name="x")})
    assert signature.method_name == "tensorflow/supervised/eval"
    assert {k: v.name for k, v in signature.inputs.items()} == {"x": "x:0"}
    assert set(signature.outputs) == {
        "loss",
        "predictions/p",
        "predictions/a/b",
        "metrics/m/value",
        "metrics/m/update_op",
    }
    names = tpu_estimator.EvalOutput
    parts = [names.METRICS_NAME, "m", names.METRIC_VALUE_SUFFIX]
    assert [*output.loss, "/".join(parts)] == [names.LOSS_NAME, next(iter(output.metrics))]
    assert list(output.metrics)[1].endswith(f"/{names.METRIC_UPDATE_SUFFIX}")
    assert next(iter(output.predictions)) == f"{names.PREDICTIONS_NAME}/p"


def test_parts_by_name_and_missing_parts():
    output = tpu_estimator.EvalOutput({"head": tensor()}, tensor())
    assert list(output.loss) == ["loss/head"]
    assert list(output.predictions) == ["predictions"]
    assert output.metrics is None
    empty = tpu_estimator.EvalOutput()
    assert (empty.loss, empty.predictions, empty.metrics) == (None, None, None)


def test_other_tensors_under_the_same_names():
    output = tpu_estimator.EvalOutput(tensor(), None, {"m": (tensor(), tensor())})
    others = [tensor() for _ in output.tensors()]
    made = output.with_tensors(others)
    assert [t is other for t, other in zip(made.tensors(), others, strict=True)] == [True] * 3
    assert list(made.metrics) == list(output.metrics)
    with pytest.raises(ValueError, match=r"must have 3 entries, as tensors\(\) has; got 1"):
        output.with_tensors(others[:1])


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"loss": 3.0}, "loss output value of 'loss' must be a Tensor; got 3.0"),
        ({"predictions": {3: 1.0}}, "must be a string; got 3"),
        ({"metrics": {"m": 1.0}}, "Metric 'm' of EvalOutput must be a pair"),
        ({"metrics": {"m": (1.0, 2.0, 3.0)}}, "Metric 'm' of EvalOutput must be a pair"),
    ],
)
def test_what_is_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        tpu_estimator.EvalOutput(**arguments)
