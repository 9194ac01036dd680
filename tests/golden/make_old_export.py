"""Exports a model with the old estimator, batched on the TPU; writes old_export/.

Runs on TensorFlow 2.15, the last one with an estimator:

  python make_old_export.py

old_export/ gets the SavedModel, with both metagraphs, and examples.npy to run it on.
"""

from __future__ import annotations

import os
import shutil
import tempfile

# Before TensorFlow is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import tensorflow as tf
from tensorflow_estimator.python.estimator.tpu import tpu_estimator

tf1 = tf.compat.v1
old = tf1.estimator
TARGET = os.path.join(os.path.dirname(os.path.abspath(__file__)), "old_export")
EXAMPLES = np.random.RandomState(5).randn(13, 4).astype("float32")


def compute(features, labels, mode, params):
    """Three classes, through a layer and a loop."""
    hidden = tf1.layers.dense(features["x"], 8, tf.nn.relu, name="first")
    weights = tf1.get_variable("again", [8, 8])
    _, hidden = tf1.while_loop(
        lambda i, h: i < 3,
        lambda i, h: (i + 1, tf.tanh(tf.matmul(h, weights))),
        [tf.constant(0), hidden],
        maximum_iterations=3,
    )
    logits = tf1.layers.dense(hidden, 3, name="last")
    p = tf.nn.softmax(logits)
    if mode == tf.estimator.ModeKeys.PREDICT:
        outputs = {
            "serving_default": old.export.PredictOutput({"p": p, "ids": tf.argmax(p, 1)}),
            "scores": old.export.ClassificationOutput(scores=p),
        }
        return old.tpu.TPUEstimatorSpec(mode, predictions={"p": p}, export_outputs=outputs)
    loss = tf1.losses.sparse_softmax_cross_entropy(labels, logits)
    train_op = tf1.train.GradientDescentOptimizer(0.1).minimize(loss, tf1.train.get_global_step())
    return old.tpu.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)


def model_fn(features, labels, mode, params):
    """The model; in the graph for TPUs all of it in batches."""
    if mode != tf.estimator.ModeKeys.PREDICT or not params["use_tpu"]:
        return compute(features, labels, mode, params)
    return tpu_estimator.model_fn_inference_on_tpu(
        compute,
        features=features,
        labels=labels,
        config=None,
        params=params,
        batch_config=tpu_estimator.BatchConfig(2, 8, 1000, [4, 8]),
    )


def input_fn(params):
    data = ({"x": EXAMPLES[:12]}, np.arange(12) % 3)
    return tf.data.Dataset.from_tensor_slices(data).repeat().batch(params["batch_size"])


def receiver_fn():
    text = tf1.placeholder(tf.string, [None], name="examples")
    spec = {"x": tf.io.FixedLenFeature([4], tf.float32)}
    return old.export.ServingInputReceiver(tf.io.parse_example(text, spec), {"examples": text})


def main():
    with tempfile.TemporaryDirectory() as folder:
        estimator = old.tpu.TPUEstimator(
            model_fn,
            model_dir=os.path.join(folder, "model"),
            config=old.tpu.RunConfig(tf_random_seed=1),
            use_tpu=False,
            train_batch_size=12,
            params={},
            export_saved_model_api_version=tpu_estimator.ExportSavedModelApiVersion.V2,
        )
        estimator.train(input_fn, steps=5)
        path = estimator.export_saved_model(os.path.join(folder, "export"), receiver_fn)
        shutil.rmtree(TARGET, ignore_errors=True)
        shutil.copytree(path.decode(), os.path.join(TARGET, "saved_model"))
    np.save(os.path.join(TARGET, "examples.npy"), EXAMPLES)


if __name__ == "__main__":
    main()
