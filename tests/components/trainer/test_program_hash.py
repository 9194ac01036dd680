"""Tests of the hash of a training program."""

import tensorflow as tf

from tfx_tpu_estimator.components.trainer.program_hash import hash_graph, hash_program


def make_graph(scale=2.0, functions_before=0, name="y"):
    """A graph that calls a function in a loop; TensorFlow numbers functions as they come."""
    for _ in range(functions_before):
        tf.function(lambda x: x + 1.0).get_concrete_function(tf.TensorSpec([]))
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None], name="x")
        tf.identity(tf.map_fn(tf.function(lambda v: v * scale), x), name=name)
    return graph.as_graph_def()


def test_equal_programs_have_equal_hashes():
    first, second = make_graph(), make_graph(functions_before=3)
    names = [{f.signature.name for f in graph.library.function} for graph in (first, second)]
    assert names[0] != names[1]
    assert hash_graph(first) == hash_graph(second)


def test_other_programs_have_others():
    graphs = [make_graph(), make_graph(scale=2.5), make_graph(name="z")]
    assert len({hash_graph(graph) for graph in graphs}) == 3


def test_from_beside_checkpoints(tmp_path):
    assert hash_program(str(tmp_path)) is None
    tf.io.write_graph(make_graph(), str(tmp_path), "graph.pbtxt")
    assert hash_program(str(tmp_path)) == hash_graph(make_graph())
