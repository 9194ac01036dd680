import numpy as np
import pytest
import tensorflow as tf

from tfx_tpu_estimator.inputs.input_fn import build_batch, call_input_fn, check_end_of_input
from tfx_tpu_estimator.specs import ModeKeys


def test_input_fn_gets_only_the_arguments_it_names():
    assert call_input_fn(lambda: 1, mode="train", params={}, config=None) == 1
    assert call_input_fn(lambda params: params, mode="train", params={"a": 2}, config=None) == {
        "a": 2
    }
    seen = call_input_fn(lambda **kw: kw, mode="eval", params={}, config="c")
    assert seen == {"mode": "eval", "params": {}, "config": "c"}


def test_input_fn_with_an_argument_nobody_has_is_an_error():
    with pytest.raises(ValueError, match=r"takes arguments \['path'\]"):
        call_input_fn(lambda path, params: None, mode="train", params={}, config=None)
    assert call_input_fn(lambda path="p": path, mode="train", params={}, config=None) == "p"


@pytest.mark.parametrize("value", [{"x": [1]}, tf.data.Dataset.range(2)])
def test_what_is_no_function_is_refused(value):
    with pytest.raises(TypeError, match=r"`input_fn` must be a function; got a .* without calling"):
        call_input_fn(value, mode="train", params={}, config=None)


@pytest.mark.parametrize("result", [(1,), (1, 2, 3), []])
def test_result_must_be_a_pair(result):
    with tf.Graph().as_default(), pytest.raises(ValueError, match="len 2 tuple"):
        build_batch(result, ModeKeys.TRAIN)


def test_none_is_an_error():
    with pytest.raises(ValueError, match="returned None"):
        build_batch(None, ModeKeys.TRAIN)


@pytest.mark.parametrize("mode", [ModeKeys.TRAIN, ModeKeys.EVAL])
def test_features_alone_have_no_labels(mode):
    with tf.Graph().as_default():
        batch = build_batch({"x": tf.zeros([2])}, mode)
    assert batch.labels is None
    assert list(batch.features) == ["x"]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_prediction_keeps_the_first_item_of_a_tuple(length):
    with tf.Graph().as_default():
        tensors = tuple(tf.constant(i) for i in range(length))
        batch = build_batch(tensors, ModeKeys.PREDICT)
    assert batch.features is tensors[0]
    assert batch.labels is None


def test_dataset_that_looks_things_up_starts_after_the_tables():
    with tf.Graph().as_default():
        table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([5, 7], tf.int64)), -1
        )
        data = tf.data.Dataset.from_tensor_slices(["b", "a", "?"]).map(table.lookup).prefetch(2)
        batch = build_batch(data, ModeKeys.PREDICT)
        with tf.compat.v1.train.SingularMonitoredSession(hooks=batch.hooks) as session:
            values = [session.run(batch.features) for _ in range(3)]
    np.testing.assert_array_equal(values, [7, 5, -1])


def make_out_of_range(op):
    return tf.errors.OutOfRangeError(None, op, "End of sequence")


def test_end_of_input_is_told_from_a_fault_of_the_model():
    with tf.Graph().as_default() as graph:
        data = tf.compat.v1.data.make_one_shot_iterator(tf.data.Dataset.range(1))
        data.get_next()
        tf.identity(1.0, name="model")
        (get_next,) = (o for o in graph.get_operations() if o.type == "IteratorGetNext")
        check_end_of_input(make_out_of_range(get_next), batches=1)
        with pytest.raises(ValueError, match="produced no batch"):
            check_end_of_input(make_out_of_range(get_next), batches=0)
        with pytest.raises(RuntimeError, match="'model' of the model raised OutOfRangeError"):
            check_end_of_input(make_out_of_range(graph.get_operation_by_name("model")), batches=1)
