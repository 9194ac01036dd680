"""Small SavedModels with one or two metagraphs, written with TensorFlow's own API."""

from __future__ import annotations

import tensorflow as tf
from tensorflow.python.framework import function
from tensorflow.python.tpu import functional as tpu_functional

tf1 = tf.compat.v1


def _net(x: tf.Tensor, scale: float) -> tf.Tensor:
    weights = tf1.get_variable(
        "w", [4, 2], use_resource=True, initializer=tf1.constant_initializer(scale)
    )
    return tf.nn.softmax(tf.matmul(x, weights))


def _signature(x: tf.Tensor, output: tf.Tensor, output_name: str = "scores") -> dict:
    definition = tf1.saved_model.predict_signature_def({"x": x}, {output_name: output})
    return {"serving_default": definition}


def _add_serve(builder, scale: float) -> None:
    with tf.Graph().as_default() as graph, tf1.Session(graph=graph) as session:
        x = tf1.placeholder(tf.float32, [None, 4], name="x")
        output = _net(x, scale)
        session.run(tf1.global_variables_initializer())
        builder.add_meta_graph_and_variables(session, ["serve"], _signature(x, output))


def _add_tpu(builder, scale: float, output_name: str) -> None:
    with tf.Graph().as_default():
        x = tf1.placeholder(tf.float32, [None, 4], name="x")
        with tf1.variable_scope("", reuse=tf1.AUTO_REUSE):

            @function.Defun(capture_resource_var_by_value=False)
            def computation():
                return tf1.tpu.rewrite(lambda y: _net(y, scale), [x])

            outputs = tpu_functional.TPUPartitionedCall(
                args=computation.captured_inputs,
                device_ordinal=tf.raw_ops.TPUOrdinalSelector(),
                Tout=[a.type for a in computation.definition.signature.output_arg],
                f=computation,
            )
        tf1.train.Saver()
        builder.add_meta_graph(["serve", "tpu"], _signature(x, outputs[0], output_name))


def _add_host_only(builder) -> None:
    with tf.Graph().as_default():
        x = tf1.placeholder(tf.float32, [None, 4], name="x")
        builder.add_meta_graph(["serve", "tpu"], _signature(x, tf.nn.softmax(_net(x, 1.0))))


def write_saved_model(
    path: str, *, scale: float = 1.0, tpu: str | None = "rewrite", output_name: str = "scores"
) -> str:
    """Writes a SavedModel and returns its path.

    Args:
        path: A directory that does not exist.
        scale: Value of the weights; another value makes another model.
        tpu: 'rewrite' for a {serve, tpu} metagraph with a TPU computation, 'host' for one
            without, None for no such metagraph.
        output_name: Output name in the {serve, tpu} signature.
    """
    builder = tf1.saved_model.Builder(path)
    _add_serve(builder, scale)
    if tpu == "rewrite":
        _add_tpu(builder, scale, output_name)
    elif tpu == "host":
        _add_host_only(builder)
    builder.save()
    return path
