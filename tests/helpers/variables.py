"""A small graph with every kind of variable that a checkpoint can hold, and its values."""

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.checkpoints.saved_tensors import list_saved_tensors

tf1 = tf.compat.v1


def build_graph(*, use_resource=True, sharded=True, wide=4):
    """Returns (graph, saver): a partitioned table, its slots, a kernel, a bias, the step."""
    with tf.Graph().as_default() as graph:
        table = tf1.get_variable(
            "table",
            [10, wide],
            initializer=tf1.random_normal_initializer(seed=1),
            partitioner=tf1.fixed_size_partitioner(3),
            use_resource=use_resource,
        )
        kernel = tf1.get_variable("layer/kernel", [wide, 1], use_resource=use_resource)
        half = tf1.get_variable("half", [3], tf.bfloat16, use_resource=use_resource)
        rows = tf.nn.embedding_lookup(table, [0, 5, 9])
        loss = tf.reduce_sum(tf.matmul(rows, kernel)) + tf.cast(tf.reduce_sum(half), tf.float32)
        step = tf1.train.get_or_create_global_step()
        tf1.train.AdamOptimizer(0.1).minimize(loss, step)
        saver = tf1.train.Saver(sharded=sharded)
    return graph, saver


def read_values(graph, session):
    """Returns {variable name: array} of all global variables."""
    with graph.as_default():
        variables = {v.op.name: v for v in tf1.global_variables()}
    return session.run(variables)


def make_values(graph, seed=0):
    """Returns random values for every global variable; the step is `seed`."""
    random = np.random.RandomState(seed)

    def value_of(variable):
        dtype = variable.dtype.base_dtype
        if dtype == tf.int64:
            return np.int64(seed)
        return np.asarray(random.standard_normal(variable.shape.as_list()), dtype.as_numpy_dtype)

    with graph.as_default():
        return {v.op.name: value_of(v) for v in tf1.global_variables()}


def describe(graph, saver):
    return list_saved_tensors(saver, graph)


def read_checkpoint(prefix):
    """Returns {name: array} of all that a checkpoint holds."""
    reader = tf.train.load_checkpoint(prefix)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
