"""Texts of user modules for tests: a linear model on the features `x` and `kind`."""

MODEL = """
import tensorflow as tf
from tfx_tpu_estimator.specs import TPUEstimatorSpec
from tfx_tpu_estimator.export_output import PredictOutput

tf1 = tf.compat.v1


def _accuracy(labels, probabilities):
    return {
        "accuracy": tf1.metrics.accuracy(labels, tf.cast(probabilities > 0.5, tf.int64)),
        "auc": tf1.metrics.auc(labels, probabilities),
    }


def model_fn(features, labels, mode, params):
    x = tf.cast(features["x"], tf.float32)
    weights = tf1.get_variable("w", [x.shape[1], 1], initializer=tf1.zeros_initializer())
    bias = tf1.get_variable("b", [1], initializer=tf1.zeros_initializer())
    logits = tf.matmul(x, weights) + bias
    probabilities = tf.sigmoid(logits)
    if mode == "infer":
        outputs = {"probabilities": probabilities}
        return TPUEstimatorSpec(
            mode, predictions=outputs, export_outputs={"serving_default": PredictOutput(outputs)}
        )
    loss = tf1.losses.sigmoid_cross_entropy(labels, logits)
    if mode == "eval":
        return TPUEstimatorSpec(mode, loss=loss, eval_metrics=(_accuracy, [labels, probabilities]))
    optimizer = tf1.train.GradientDescentOptimizer(params.get("learning_rate", 0.5))
    train_op = optimizer.minimize(loss, tf1.train.get_global_step())
    return TPUEstimatorSpec(mode, loss=loss, train_op=train_op)
"""

OWN_INPUT = """

def _read(files, params, repeat):
    dataset = tf.data.TFRecordDataset(tf.io.gfile.glob(files), compression_type="GZIP")
    spec = {
        "x": tf.io.FixedLenFeature([2], tf.float32),
        "label": tf.io.FixedLenFeature([1], tf.int64),
    }
    dataset = dataset.batch(params["batch_size"]).map(lambda s: tf.io.parse_example(s, spec))
    return dataset.map(lambda parsed: ({"x": parsed["x"]}, parsed["label"]))


def train_input_fn(params):
    return _read(params["train_files"][0], params, True)


def eval_input_fn(params):
    return _read(params["eval_files"][0], params, False)
"""

OWN_RECEIVER = """

def serving_input_receiver_fn():
    from tfx_tpu_estimator.export.receivers import ServingInputReceiver

    x = tf1.placeholder(tf.float32, [None, 2], name="x")
    return ServingInputReceiver({"x": x}, {"x": x})
"""

# Trains with the batch size of `custom_config`, and exports.
RUN_FN = (
    MODEL
    + OWN_RECEIVER
    + """

def _input_fn(params):
    files = tf.io.gfile.glob(params["files"])
    spec = {
        "x": tf.io.FixedLenFeature([2], tf.float32),
        "label": tf.io.FixedLenFeature([1], tf.int64),
    }
    dataset = tf.data.TFRecordDataset(files, compression_type="GZIP").repeat()
    dataset = dataset.batch(params["batch_size"]).map(lambda s: tf.io.parse_example(s, spec))
    return dataset.map(lambda parsed: ({"x": parsed["x"]}, parsed["label"]))


def run_fn(fn_args):
    import os

    from tfx_tpu_estimator.config.run_config import RunConfig
    from tfx_tpu_estimator.tpu_estimator import TPUEstimator

    estimator = TPUEstimator(
        model_fn,
        config=RunConfig(model_dir=fn_args.model_run_dir),
        params={"files": fn_args.train_files[0]},
        use_tpu=False,
        train_batch_size=fn_args.custom_config["batch"],
    )
    estimator.train(_input_fn, max_steps=fn_args.train_steps)
    base = os.path.dirname(fn_args.serving_model_dir)
    path = estimator.export_saved_model(base, serving_input_receiver_fn)
    os.rename(path, fn_args.serving_model_dir)
"""
)

SCHEMA = """
feature { name: "x" type: FLOAT value_count { min: 2 max: 2 } presence { min_fraction: 1.0 } }
feature { name: "kind" type: INT value_count { min: 1 max: 1 } presence { min_fraction: 1.0 } }
feature { name: "label" type: INT value_count { min: 1 max: 1 } presence { min_fraction: 1.0 } }
"""
