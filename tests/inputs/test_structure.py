import collections

import pytest
import tensorflow as tf

from tfx_tpu_estimator.inputs.structure import (
    describe_structure,
    is_device_spec,
    list_paths,
    validate_same_structure,
)

Pair = collections.namedtuple("Pair", ["left", "right"])


@pytest.mark.parametrize(
    "nested",
    [
        1,
        {"b": 1, "a": (2, [3, 4])},
        (1, {"x": Pair(2, 3)}),
        collections.OrderedDict([("z", 1), ("y", 2)]),
    ],
)
def test_paths_follow_the_order_of_flatten(nested):
    paths = list_paths(nested, "features")
    assert len(paths) == len(tf.nest.flatten(nested))
    for path, leaf in zip(paths, tf.nest.flatten(nested), strict=True):
        found = nested
        for key in path.split("/")[1:]:
            found = found[int(key)] if isinstance(found, list | tuple) else found[key]
        assert found == leaf


def test_structure_and_back():
    with tf.Graph().as_default():
        features = {"b": tf.zeros([2]), "a": (tf.zeros([3], tf.int32),)}
        structure = describe_structure(features, tf.zeros([4]))
    assert structure.list_names() == ["features/a/0", "features/b", "labels"]
    assert [spec.shape.as_list() for spec in structure.flatten()] == [[3], [2], [4]]
    halved = structure.replace_specs([tf.TensorSpec([i]) for i in range(3)])
    assert halved.features["a"][0].shape == [0]
    assert halved.labels.shape == [2]
    with tf.Graph().as_default():
        alone = describe_structure(tf.zeros([2]), None)
    assert alone.list_names() == ["features"]
    assert alone.replace_specs([tf.TensorSpec([1])]).labels is None


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: tf.raw_ops.EmptyTensorList(
            element_shape=tf.zeros([0], tf.int32), max_num_elements=1, element_dtype=tf.int32),
         ValueError, r"`features/x`, a tensor of variant"),
        (lambda: None, TypeError, r"`features/x` is None"),
    ],
)  # fmt: skip
def test_what_no_model_can_take_is_named(make, error, text):
    with tf.Graph().as_default(), pytest.raises(error, match=text):
        describe_structure({"x": make()}, None)


def test_strings_sparse_and_ragged_tensors_are_described():
    with tf.Graph().as_default():
        sparse = tf.sparse.from_dense([["a", ""]])
        ragged = tf.ragged.constant([[1], []])
        structure = describe_structure({"s": sparse, "r": ragged}, tf.constant(["a"]))
    assert structure.features["s"] == tf.SparseTensorSpec([1, 2], tf.string)
    assert structure.features["r"] == tf.RaggedTensorSpec([2, None], tf.int32)
    assert structure.list_names() == ["features/r", "features/s", "labels"]
    assert [is_device_spec(spec) for spec in structure.flatten()] == [False, False, False]
    assert is_device_spec(tf.TensorSpec([2]))


@pytest.mark.parametrize(
    ("other", "text"),
    [
        ({"x": [2], "y": [1]}, "`features/y` was absent in the first call"),
        ({"x": [3]}, r"`features/x` was TensorSpec\(shape=\(2,\)"),
    ],
)
def test_calls_must_return_alike(other, text):
    with tf.Graph().as_default():
        first = describe_structure({"x": tf.zeros([2])}, None)
        found = describe_structure({k: tf.zeros(shape) for k, shape in other.items()}, None)
    validate_same_structure(first, first, "call 1")
    with pytest.raises(ValueError, match=text):
        validate_same_structure(first, found, "call 1")
