import pytest
import tensorflow as tf
from helpers.variables import build_graph

from tfx_tpu_estimator.checkpoints.saved_tensors import list_restored_shapes, list_saved_tensors

tf1 = tf.compat.v1


@pytest.mark.parametrize("use_resource", [True, False])
@pytest.mark.parametrize("sharded", [True, False])
def test_all_variables_of_a_graph(use_resource, sharded):
    graph, saver = build_graph(use_resource=use_resource, sharded=sharded)
    tensors = {t.source: t for t in list_saved_tensors(saver, graph)}
    with graph.as_default():
        assert set(tensors) == {v.op.name for v in tf1.global_variables()}
    part = tensors["table/part_1"]
    assert (part.name, part.slice_spec) == ("table", "10 4 4,3:0,4")
    assert (part.shape.as_list(), part.full_shape.as_list()) == ([3, 4], [10, 4])
    slot = tensors["table/part_1/Adam"]
    assert (slot.name, slot.slice_spec) == ("table/Adam", "10 4 4,3:0,4")
    assert tensors["half"].dtype == tf.bfloat16
    assert tensors["layer/kernel"].full_shape.as_list() == [4, 1]


def test_names_of_a_savers_own():
    with tf.Graph().as_default() as graph:
        variable = tf1.get_variable("v", [2])
        tf1.get_variable("left_out", [2])
        average = tf.train.ExponentialMovingAverage(0.9)
        average.apply([variable])
        saver = tf1.train.Saver({average.average_name(variable): variable})
    (tensor,) = list_saved_tensors(saver, graph)
    assert (tensor.source, tensor.name) == ("v", "v/ExponentialMovingAverage")
    assert list_restored_shapes(saver, graph) == {"v/ExponentialMovingAverage": [2]}


def test_a_variable_that_came_from_another_scope_keeps_its_name():
    with tf.Graph().as_default() as graph:
        with tf1.variable_scope("a"), tf.name_scope("n"):
            tf1.get_variable("v", [2])
        with tf1.variable_scope("a", reuse=True):
            tf1.get_variable("v", [2])
        saver = tf1.train.Saver()
    assert [t.source for t in list_saved_tensors(saver, graph)] == ["a/v"]


def test_what_is_no_variable_is_its_own_source():
    with tf.Graph().as_default() as graph:
        tf1.get_variable("v", [1])
        table = tf.lookup.experimental.MutableHashTable(tf.int64, tf.float32, 0.0, name="table")
        assert table is not None
        tensors = list_saved_tensors(tf1.train.Saver(), graph)
    assert {t.source for t in tensors} >= {"v"}
    assert all(t.source == t.name for t in tensors)


def test_nothing_to_save():
    with tf.Graph().as_default() as graph:
        saver = tf1.train.Saver(allow_empty=True)
    assert list_saved_tensors(saver, graph) == ()
    assert list_restored_shapes(saver, graph) == {}
