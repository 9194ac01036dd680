import pytest
import tensorflow as tf

from tfx_tpu_estimator.export.supervised_receivers import (
    SupervisedInputReceiver,
    build_raw_supervised_input_receiver_fn,
    build_supervised_input_receiver_fn_from_input_fn,
)


@pytest.fixture(autouse=True)
def _graph():
    with tf.Graph().as_default():
        yield


def tensor():
    return tf.constant([1.0])


@pytest.mark.parametrize(
    ("features", "labels", "receivers", "message"),
    [
        (None, tensor, tensor, "features must be defined"),
        (tensor, None, tensor, "labels must be defined"),
        (tensor, tensor, None, "receiver_tensors must be defined"),
        (lambda: {1.5: tensor()}, tensor, tensor, "feature keys must be strings or ints"),
        (tensor, lambda: {1.5: tensor()}, tensor, "label keys must be strings or ints"),
        (lambda: {"a": [1]}, tensor, tensor, "feature a must be a Tensor, SparseTensor, or Ragged"),
        (tensor, lambda: {"b": [1]}, tensor, "label b must be a Tensor, SparseTensor, or Ragged"),
        (tensor, tensor, lambda: {1: tensor()}, "receiver_tensor keys must be strings"),
    ],
)
def test_wrong_parts(features, labels, receivers, message):
    with pytest.raises(ValueError, match=message):
        SupervisedInputReceiver(*(make and make() for make in (features, labels, receivers)))


def test_features_and_labels_stay_as_they_are():
    receiver = SupervisedInputReceiver(tensor(), {2: tensor()}, tensor())
    assert isinstance(receiver.features, tf.Tensor)
    assert list(receiver.labels) == [2]
    assert list(receiver.receiver_tensors) == ["input"]


@pytest.mark.parametrize("batch_size", [None, 5])
@pytest.mark.parametrize(
    ("features", "labels", "fed"),
    [
        ({"a": [2, 3]}, [2, 1], {"a": [3], "label": [1]}),
        ([2, 3], [2, 1], {"input": [3], "label": [1]}),
        ({"a": [2, 3], "b c": [1]}, {"l": [2]}, {"a": [3], "b c": [], "l": []}),
    ],
)
def test_raw_receivers(features, labels, fed, batch_size):
    def to_tensors(shapes):
        if isinstance(shapes, dict):
            return {name: tf.zeros(shape) for name, shape in shapes.items()}
        return tf.zeros(shapes)

    features, labels = to_tensors(features), to_tensors(labels)
    receiver = build_raw_supervised_input_receiver_fn(features, labels, batch_size)()
    shapes = {name: t.shape.as_list() for name, t in receiver.receiver_tensors.items()}
    assert shapes == {name: [batch_size, *shape] for name, shape in fed.items()}
    assert isinstance(receiver.features, dict) == isinstance(features, dict)
    assert all(t.op.type == "Placeholder" for t in receiver.receiver_tensors.values())


def test_keys_must_differ():
    with pytest.raises(
        ValueError, match=r"must have distinct keys. Found overlapping keys: \['a'\]"
    ):
        build_raw_supervised_input_receiver_fn({"a": tensor()}, {"a": tensor()})


def make_dataset(rows):
    data = ({"x": tf.zeros([8, 4])}, tf.zeros([8], tf.int64))
    return tf.data.Dataset.from_tensor_slices(data).batch(rows, drop_remainder=True)


@pytest.mark.parametrize(
    "input_fn",
    [make_dataset, lambda rows: ({"x": tf.zeros([rows, 4])}, tf.zeros([rows], tf.int64))],
)
def test_receivers_of_an_input_fn(input_fn):
    receiver_fn = build_supervised_input_receiver_fn_from_input_fn(input_fn, rows=2)
    assert not tf.compat.v1.get_default_graph().get_operations()
    receiver = receiver_fn()
    assert receiver.features["x"].shape.as_list() == [None, 4]
    assert receiver.labels.dtype == tf.int64
    assert sorted(receiver.receiver_tensors) == ["label", "x"]


def test_an_input_fn_without_labels():
    with pytest.raises(ValueError, match="labels must be defined"):
        build_supervised_input_receiver_fn_from_input_fn(lambda: {"x": tensor()})
