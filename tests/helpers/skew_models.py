"""Exports whose two graphs are compared, and ways to make the graph for TPUs another one."""

import os
import shutil

import numpy as np
import tensorflow as tf
from helpers.models import make_estimator, train_input_fn
from tensorflow.core.protobuf import saved_model_pb2

import tfx_tpu_estimator as tpu_estimator

tf1 = tf.compat.v1
BATCHING = tpu_estimator.BatchConfig(2, 8, 1000, [2, 4, 8])
V2 = tpu_estimator.ExportSavedModelApiVersion.V2
NAMES = ["no", "yes"]


def parsing_receiver_fn():
    return tpu_estimator.build_parsing_serving_input_receiver_fn(
        {"x": tf.io.FixedLenFeature([4], tf.float32)}
    )()


def serialize(rows):
    def make_example(row):
        feature = tf.train.Feature(float_list=tf.train.FloatList(value=row))
        return tf.train.Example(features=tf.train.Features(feature={"x": feature}))

    return [make_example(row).SerializeToString() for row in rows]


def serialize_ids(ids):
    """Returns a tf.Example whose feature `x` has integers."""
    feature = tf.train.Feature(int64_list=tf.train.Int64List(value=ids))
    features = tf.train.Features(feature={"x": feature})
    return tf.train.Example(features=features).SerializeToString()


def _hidden(x):
    weights = [
        tf1.get_variable(name, [4, 4], initializer=tf1.random_uniform_initializer(-1, 1, seed=seed))
        for seed, name in enumerate(["first", "second"])
    ]
    return tf.tanh(tf.matmul(tf.tanh(tf.matmul(x, weights[0])), weights[1]) * 1.25)


def _finish(mode, labels, logits, outputs):
    if mode == tpu_estimator.ModeKeys.PREDICT:
        return tpu_estimator.TPUEstimatorSpec(
            mode, predictions={"logits": logits}, export_outputs=outputs
        )
    loss = tf1.losses.sigmoid_cross_entropy(labels, logits)
    optimizer = tf1.tpu.CrossShardOptimizer(tf1.train.GradientDescentOptimizer(0.1))
    train_op = optimizer.minimize(loss, tf1.train.get_global_step())
    return tpu_estimator.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)


def _head(h):
    return tf.matmul(h, tf1.get_variable("last", [4, 1]))


def _numbers(logits):
    p = tf.sigmoid(logits)
    return {"p": p, "ids": tf.cast(p > 0.5, tf.int64), "half": tf.cast(p, tf.bfloat16)}


def several_model_fn(features, labels, mode, params):
    """Several signatures, a loop and a branch."""
    h = _hidden(features["x"])
    _, h = tf.while_loop(
        lambda i, h: i < 3, lambda i, h: (i + 1, tf.sin(h)), [0, h], maximum_iterations=3
    )
    h = tf.cond(tf.reduce_sum(features["x"]) > 0, lambda: h * 2.0, lambda: h - 1.0)
    logits = _head(h)
    outputs = {
        "serving_default": tpu_estimator.PredictOutput(_numbers(logits)),
        "value": tpu_estimator.RegressionOutput(logits),
        "mean": tpu_estimator.PredictOutput({"mean": tf.reduce_mean(logits)}),
    }
    return _finish(mode, labels, logits, outputs)


def batched_model_fn(features, labels, mode, params):
    """Batched on the TPU; names of classes are looked up on the host."""
    if mode == tpu_estimator.ModeKeys.PREDICT and params["use_tpu"]:
        compute = lambda x: _head(_hidden(x))  # noqa: E731
        (logits,) = tpu_estimator.inference_on_tpu(compute, [features["x"]], *BATCHING)
    else:
        logits = _head(_hidden(features["x"]))
    scores = tf.concat([1 - tf.sigmoid(logits), tf.sigmoid(logits)], axis=1)
    classes = tf.tile(tf.constant([NAMES]), [tf.shape(scores)[0], 1])
    name = tf.gather(tf.constant(NAMES), tf.argmax(scores, axis=1))
    outputs = {
        "serving_default": tpu_estimator.PredictOutput({"scores": scores, "name": name}),
        "classes": tpu_estimator.ClassificationOutput(scores=scores, classes=classes),
    }
    return _finish(mode, labels, logits, outputs)


def outside_model_fn(features, labels, mode, params):
    """In the middle a text is made of each number, on the host, and read again."""

    def round_as_text(x):
        return tf.strings.to_number(tf.strings.as_string(x, precision=3))

    h = _hidden(features["x"])
    in_tpu = params["use_tpu"] and mode == tpu_estimator.ModeKeys.PREDICT
    rounded = tf1.tpu.outside_compilation(round_as_text, h) if in_tpu else round_as_text(h)
    rounded = tf.reshape(rounded, tf.shape(h)) + tf.reduce_mean(h, axis=1, keepdims=True)
    logits = _head(tf.stop_gradient(rounded))
    outputs = {"serving_default": tpu_estimator.PredictOutput({"logits": logits})}
    return _finish(mode, labels, logits, outputs)


def named_model_fn(features, labels, mode, params):
    """At the end a text is made of the larger score, on the host."""
    logits = _head(_hidden(features["x"]))
    largest = tf.argmax(logits, axis=1)
    in_tpu = params["use_tpu"] and mode == tpu_estimator.ModeKeys.PREDICT
    text = tf1.tpu.outside_compilation(tf.as_string, largest) if in_tpu else tf.as_string(largest)
    outputs = {"serving_default": tpu_estimator.PredictOutput({"logits": logits, "text": text})}
    return _finish(mode, labels, logits, outputs)


def export_model(directory, model_fn, receiver_fn=parsing_receiver_fn, **arguments):
    """Trains two steps and exports; returns the path."""
    estimator = make_estimator(directory / "model", model_fn, **arguments)
    estimator.train(train_input_fn, steps=2)
    return estimator.export_saved_model(str(directory / "export"), receiver_fn).decode()


def edit_tpu_graph(source, target, edit):
    """Copies a SavedModel; `edit` gets its {serve, tpu} metagraph. Returns the path."""
    shutil.copytree(source, target)
    path = os.path.join(target, "saved_model.pb")
    with open(path, "rb") as file:
        saved_model = saved_model_pb2.SavedModel.FromString(file.read())
    (metagraph,) = [m for m in saved_model.meta_graphs if "tpu" in m.meta_info_def.tags]
    edit(metagraph)
    with open(path, "wb") as file:
        file.write(saved_model.SerializeToString())
    return str(target)


def find_tpu_nodes(metagraph, op):
    """Returns the nodes of type `op` inside TPU computations."""
    functions = metagraph.graph_def.library.function
    return [n for f in functions for n in f.node_def if n.op == op and "_tpu_replicate" in n.attr]


def change_constant(metagraph):
    """Makes another number of the 1.25 in `_hidden`."""
    for node in find_tpu_nodes(metagraph, "Const"):
        tensor = node.attr["value"].tensor
        if tensor.dtype == tf.float32.as_datatype_enum and tf.make_ndarray(tensor) == 1.25:
            tensor.CopyFrom(tf.make_tensor_proto(np.float32(1.26)))
            return
    raise AssertionError("there is no such constant")


def swap_weights(metagraph):
    """Lets the first two products read each other's weights."""
    first, second = find_tpu_nodes(metagraph, "ReadVariableOp")[:2]
    first.input[0], second.input[0] = second.input[0], first.input[0]
