"""Input functions over arrays."""

import warnings

import numpy as np
import pytest
import tensorflow as tf

from tfx_tpu_estimator.inputs import arrays
from tfx_tpu_estimator.inputs.arrays import numpy_input_fn


def read(input_fn, count=None):
    data = input_fn()
    return list((data.take(count) if count else data).as_numpy_iterator())


def test_one_array_and_one_label():
    batches = read(numpy_input_fn(np.arange(5.0), np.arange(5), 2, shuffle=False))
    assert [x.tolist() for x, _ in batches] == [[0, 1], [2, 3], [4]]
    assert [y.tolist() for _, y in batches] == [[0, 1], [2, 3], [4]]


def test_dicts_keep_their_names():
    x = {"b": np.arange(4), "a": np.array(["p", "q", "r", "s"])}
    features, label = read(numpy_input_fn(x, {"y": np.arange(4) * 2}, 4, shuffle=False))[0]
    assert features["a"].tolist() == [b"p", b"q", b"r", b"s"]
    assert features["b"].tolist() == [0, 1, 2, 3]
    assert label["y"].tolist() == [0, 2, 4, 6]


def test_without_labels_there_are_features_only():
    assert read(numpy_input_fn(np.zeros([3, 2]), batch_size=3, shuffle=False))[0].shape == (3, 2)


def test_batches_go_across_epochs():
    batches = read(numpy_input_fn(np.arange(3), batch_size=2, num_epochs=3, shuffle=False))
    assert [b.tolist() for b in batches] == [[0, 1], [2, 0], [1, 2], [0, 1], [2]]


def test_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        numpy_input_fn(np.zeros([3, 2]), shuffle=False)()


def test_endless_input_has_full_batches_of_static_shape():
    input_fn = numpy_input_fn(np.zeros([3, 2]), batch_size=2, num_epochs=None, shuffle=False)
    assert input_fn().element_spec.shape == [2, 2]
    assert [len(b) for b in read(input_fn, 5)] == [2] * 5


def test_every_epoch_has_every_example_in_another_order():
    batches = read(numpy_input_fn(np.arange(50), batch_size=50, num_epochs=2, shuffle=True))
    assert [sorted(b) for b in batches] == [list(range(50))] * 2
    assert batches[0].tolist() != batches[1].tolist()


def test_the_order_depends_on_the_seed_only():
    def order(seed):
        with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
            graph.seed = seed
            data = numpy_input_fn(np.arange(20), batch_size=20, shuffle=True)()
            return session.run(tf.compat.v1.data.make_one_shot_iterator(data).get_next()).tolist()

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_large_arrays_stay_out_of_the_graph(monkeypatch):
    monkeypatch.setattr(arrays, "_MAX_CONSTANT_BYTES", 100)
    x = {"a": np.arange(200.0).reshape(100, 2), "s": np.array([f"v{i}" for i in range(100)])}
    input_fn = numpy_input_fn(x, np.arange(100), 40, shuffle=False)
    assert input_fn().element_spec[0]["a"].shape.as_list() == [None, 2]
    features, labels = read(input_fn)[2]
    assert features["a"].tolist() == x["a"][80:].tolist()
    assert features["s"][0] == b"v80"
    assert labels.tolist() == list(range(80, 100))
    with tf.Graph().as_default() as graph:
        input_fn()
        assert graph.as_graph_def().ByteSize() < 20_000


@pytest.mark.parametrize(
    ("error", "text", "arguments"),
    [
        (ValueError, "explicitly set as boolean", {"x": np.arange(3)}),
        (ValueError, "cannot be an empty dict", {"x": {}, "shuffle": True}),
        (ValueError, "cannot be an empty array", {"x": np.zeros([0]), "shuffle": True}),
        (TypeError, "must be a dict or array; got list", {"x": [1], "shuffle": True}),
        (ValueError, "use None instead", {"x": np.arange(3), "y": {}, "shuffle": True}),
        (ValueError, "Length of tensors in x and y is mismatched",
         {"x": np.arange(3), "y": np.arange(4), "shuffle": True}),
        (ValueError, "1 duplicate keys are found",
         {"x": {"a": np.arange(3)}, "y": {"a": np.arange(3)}, "shuffle": True}),
        (ValueError, "`batch_size` must be", {"x": np.arange(3), "batch_size": 0,
                                              "shuffle": True}),
        (ValueError, "`num_epochs` must be", {"x": np.arange(3), "num_epochs": 0,
                                              "shuffle": True}),
    ],
)  # fmt: skip
def test_wrong_numpy_arguments(error, text, arguments):
    with pytest.raises(error, match=text):
        numpy_input_fn(**arguments)
