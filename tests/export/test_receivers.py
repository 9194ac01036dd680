import numpy as np
import pytest
import tensorflow as tf

from tfx_tpu_estimator.export.receivers import (
    ServingInputReceiver,
    TensorServingInputReceiver,
    build_parsing_serving_input_receiver_fn,
    build_raw_serving_input_receiver_fn,
    build_schema_serving_input_receiver_fn,
)

tf1 = tf.compat.v1


@pytest.fixture(autouse=True)
def _graph():
    with tf.Graph().as_default():
        yield


def tensor():
    return tf.constant([1.0])


@pytest.mark.parametrize(
    ("features", "receivers", "message"),
    [
        (None, tensor, "features must be defined"),
        (tensor, None, "receiver_tensors must be defined"),
        (lambda: {1.5: tensor()}, tensor, "feature keys must be strings or ints"),
        (tensor, lambda: {1: tensor()}, "receiver_tensor keys must be strings"),
        (
            lambda: {"feature1": [1]},
            tensor,
            r"feature feature1 must be a Tensor, SparseTensor, or RaggedTensor\.",
        ),
        (tensor, lambda: {"example1": [1]}, "receiver_tensor example1 must be a Tensor"),
    ],
)
def test_wrong_parts(features, receivers, message):
    with pytest.raises(ValueError, match=message):
        ServingInputReceiver(features and features(), receivers and receivers())


def test_single_tensors_get_the_default_names():
    receiver = ServingInputReceiver(tensor(), tensor())
    assert list(receiver.features) == ["feature"]
    assert list(receiver.receiver_tensors) == ["input"]
    assert receiver.receiver_tensors_alternatives is None


def test_sparse_and_ragged_features_and_int_keys():
    receiver = ServingInputReceiver(
        {1: tf.sparse.from_dense([[1.0]]), "r": tf.ragged.constant([[1.0]])}, {"a": tensor()}
    )
    assert set(receiver.features) == {1, "r"}


def test_alternatives_are_checked():
    receiver = ServingInputReceiver(tensor(), tensor(), {"other": {"b": tensor()}})
    assert list(receiver.receiver_tensors_alternatives["other"]) == ["b"]
    with pytest.raises(ValueError, match="receiver_tensors_alternatives must be a dict"):
        ServingInputReceiver(tensor(), tensor(), [tensor()])


def test_tensor_receiver_hands_the_tensor_itself_on():
    x = tensor()
    assert TensorServingInputReceiver(x, x).features is x
    with pytest.raises(ValueError, match="feature must be a Tensor"):
        TensorServingInputReceiver({"x": x}, x)
    with pytest.raises(ValueError, match="features must be defined"):
        TensorServingInputReceiver(None, x)


def example(**features):
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                name: tf.train.Feature(float_list=tf.train.FloatList(value=value))
                for name, value in features.items()
            }
        )
    ).SerializeToString()


def test_parsing_receiver_reads_examples():
    receiver = build_parsing_serving_input_receiver_fn(
        {"x": tf.io.FixedLenFeature([2], tf.float32)}
    )()
    (placeholder,) = receiver.receiver_tensors.values()
    assert list(receiver.receiver_tensors) == ["examples"]
    with tf1.Session() as session:
        got = session.run(receiver.features["x"], {placeholder: [example(x=[1, 2])]})
    np.testing.assert_array_equal(got, [[1, 2]])


def test_raw_receiver_has_the_shapes_of_the_features():
    receiver = build_raw_serving_input_receiver_fn({"x": tf.zeros([1, 3], tf.int32)}, 5)()
    assert receiver.receiver_tensors["x"].shape.as_list() == [5, 3]
    assert receiver.features["x"].dtype == tf.int32


def test_schema_receiver_does_without_the_label():
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    schema = text_format.Parse(
        'feature { name: "x" type: FLOAT value_count { min: 1 max: 1 } '
        "presence { min_fraction: 1.0 } } "
        'feature { name: "y" type: FLOAT value_count { min: 1 max: 1 } '
        "presence { min_fraction: 1.0 } }",
        schema_pb2.Schema(),
    )
    with pytest.raises(ValueError, match=r"`label_key` 'z' is not a feature of the schema"):
        build_schema_serving_input_receiver_fn(schema, label_key="z")
    receiver = build_schema_serving_input_receiver_fn(schema, label_key="y")()
    assert list(receiver.features) == ["x"]
    with tf1.Session() as session:
        got = session.run(
            receiver.features["x"], {receiver.receiver_tensors["examples"]: [example(x=[4])]}
        )
    np.testing.assert_array_equal(got, [[4]])


@pytest.mark.parametrize("name", ["fixed acidity", "_hidden", "a/b", "ünï", "0"])
def test_features_may_have_any_name(name):
    receiver = build_raw_serving_input_receiver_fn({name: tf.zeros([1, 2])})()
    assert list(receiver.receiver_tensors) == [name]


def test_placeholders_are_called_like_the_tensors_not_like_variables_of_the_model():
    with tf.Graph().as_default():
        features = {"b": tf1.placeholder(tf.float32, [None, 2], name="fed"), "c d": tf.zeros([1])}
        receiver_fn = build_raw_serving_input_receiver_fn(features)
    made = receiver_fn().receiver_tensors
    assert {key: tensor.op.name for key, tensor in made.items()} == {"b": "fed", "c d": "zeros"}
    with tf.init_scope():
        eager = {"b": tf.zeros([1, 2])}
    build_raw_serving_input_receiver_fn(eager)()
    assert tf1.get_variable("b", []).op.name == "b"
