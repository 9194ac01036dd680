"""Export outputs: what they accept, their signatures, and rebuilding them around other tensors."""

import pytest
import tensorflow as tf

from tfx_tpu_estimator.export_output import ClassificationOutput, PredictOutput, RegressionOutput


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def make_examples():
    return tf.compat.v1.placeholder(tf.string, [None], name="examples")


def make_scores(dtype=tf.float32):
    return tf.constant([[0.25, 0.75]], dtype)


def test_classification_signature_names_scores_and_classes():
    scores, classes = make_scores(), tf.constant([["a", "b"]])
    signature = ClassificationOutput(scores, classes).as_signature_def(make_examples())
    assert signature.method_name == "tensorflow/serving/classify"
    assert signature.inputs["inputs"].name == "examples:0"
    assert signature.outputs["scores"].name == scores.name
    assert signature.outputs["classes"].name == classes.name


def test_classification_without_classes_keeps_them_missing():
    output = ClassificationOutput(scores=make_scores())
    assert output.tensors() == [output.scores, None]
    rebuilt = output.with_tensors([make_scores(), None])
    assert isinstance(rebuilt, ClassificationOutput)
    assert rebuilt.classes is None
    assert rebuilt.scores is not output.scores
    assert sorted(rebuilt.as_signature_def({"x": make_examples()}).outputs) == ["scores"]


def test_regression_signature_and_rebuild():
    output = RegressionOutput(tf.constant([1.0]))
    signature = output.as_signature_def({"examples": make_examples()})
    assert signature.method_name == "tensorflow/serving/regress"
    assert signature.outputs["outputs"].name == output.value.name
    other = tf.constant([2.0])
    assert output.with_tensors([other]).value is other


def test_predict_signature_keeps_names_and_order():
    first, second = tf.constant([1]), tf.constant(["x"])
    output = PredictOutput({"b": first, "a": second})
    assert output.tensors() == [first, second]
    signature = output.as_signature_def(tf.constant([0.5], name="fed"))
    assert signature.method_name == "tensorflow/serving/predict"
    assert signature.inputs["input"].name == "fed:0"
    assert {k: v.name for k, v in signature.outputs.items()} == {"b": first.name, "a": second.name}
    rebuilt = output.with_tensors([second, first])
    assert rebuilt.outputs["b"] is second
    assert list(rebuilt.outputs) == ["b", "a"]


def test_predict_output_of_one_tensor_is_named_output():
    assert list(PredictOutput(tf.constant([1])).outputs) == ["output"]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ClassificationOutput(), "At least one of `scores` and `classes` must be set"),
        (lambda: ClassificationOutput(scores=[0.5]), "`scores` must be a float32 Tensor"),
        (lambda: ClassificationOutput(scores=tf.constant([1])), "`scores` must be a float32 Ten"),
        (lambda: ClassificationOutput(classes=tf.constant([1])), "`classes` must be a string Ten"),
        (lambda: RegressionOutput(1.0), "`value` must be a float32 Tensor"),
        (lambda: RegressionOutput(tf.constant(["x"])), "`value` must be a float32 Tensor"),
        (lambda: PredictOutput({}), "must name at least one Tensor"),
        (lambda: PredictOutput({1: tf.constant([1])}), "key must be a string; got 1"),
        (lambda: PredictOutput({"a": 1}), "value of 'a' must be a Tensor; got 1"),
    ],
)
def test_wrong_values_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()


@pytest.mark.parametrize("count", [0, 2])
def test_rebuilding_needs_as_many_tensors(count):
    with pytest.raises(ValueError, match="`tensors` must have 1 entries"):
        RegressionOutput(tf.constant([1.0])).with_tensors([tf.constant([1.0])] * count)


@pytest.mark.parametrize("kind", ["Classification", "Regression"])
def test_classify_and_regress_need_one_string_input(kind):
    outputs = {
        "Classification": lambda: ClassificationOutput(make_scores()),
        "Regression": lambda: RegressionOutput(tf.constant([1.0])),
    }
    output = outputs[kind]()
    text = f"{kind} input must be a single string Tensor"
    with pytest.raises(ValueError, match=text):
        output.as_signature_def({"a": make_examples(), "b": make_examples()})
    with pytest.raises(ValueError, match=text):
        output.as_signature_def(tf.constant([1.0]))


def test_bfloat16_scores_are_kept_but_not_served_as_they_are():
    output = ClassificationOutput(scores=make_scores(tf.bfloat16))
    with pytest.raises(ValueError, match=r"tf\.cast"):
        output.as_signature_def(make_examples())
