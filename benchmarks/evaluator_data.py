"""A small tabular model and examples to evaluate it on, made on the spot."""

from __future__ import annotations

import os

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator import (
    ModeKeys,
    PredictOutput,
    RunConfig,
    ServingInputReceiver,
    TPUEstimator,
    TPUEstimatorSpec,
)

tf1 = tf.compat.v1

COUNTRIES = [b"at", b"br", b"ca", b"de", b"es", b"fr", b"in", b"us"]
NUMBERS = ["income", "visits", "minutes", "score"]
_SPEC = {
    **{name: tf.io.FixedLenFeature([], tf.float32) for name in NUMBERS},
    "country": tf.io.FixedLenFeature([], tf.string),
    "day": tf.io.FixedLenFeature([], tf.int64),
}

EVAL_CONFIG = """
  model_specs {
    signature_name: "predict" prediction_key: "probability" label_key: "label"
    example_weight_key: "weight"
  }
  slicing_specs {}
  slicing_specs { feature_keys: "country" }
  slicing_specs { feature_keys: "country" feature_keys: "day" }
  metrics_specs {
    metrics { class_name: "ExampleCount" }
    metrics {
      class_name: "AUC"
      threshold { value_threshold { lower_bound { value: 0.5 } } }
    }
    metrics { class_name: "BinaryAccuracy" }
    metrics { class_name: "Precision" }
    metrics { class_name: "Recall" }
    metrics { class_name: "BinaryCrossentropy" }
    metrics { class_name: "Calibration" }
  }
"""


def write_examples(path: str, count: int, seed: int = 1) -> str:
    """Writes tf.Examples as gzip TFRecords and returns the file's path.

    Args:
      path: The file to write.
      count: How many.
      seed: Other seeds, other examples.
    """
    random = np.random.default_rng(seed)
    numbers = {name: random.normal(size=count).astype(np.float32) for name in NUMBERS}
    country = random.integers(len(COUNTRIES), size=count)
    day = random.integers(1, 8, size=count)
    logit = numbers["income"] - numbers["visits"] + 0.3 * country - 1
    label = (random.random(count) < 1 / (1 + np.exp(-logit))).astype(np.int64)
    weight = random.choice([0.5, 1.0, 2.0], size=count)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        for row in range(count):
            floats = {name: float(values[row]) for name, values in numbers.items()}
            floats["weight"] = float(weight[row])
            integers = {"day": int(day[row]), "label": int(label[row])}
            writer.write(_serialize(floats, integers, COUNTRIES[country[row]]))
    return path


def write_model(path: str, examples: str, steps: int = 30) -> str:
    """Trains a small network for a moment, exports it below `path` and returns where to."""
    estimator = TPUEstimator(
        _model_fn,
        model_dir=os.path.join(path, "training"),
        config=RunConfig(tf_random_seed=1),
        use_tpu=False,
        train_batch_size=128,
    )
    estimator.train(lambda params: _read(examples, params["batch_size"]), steps=steps)
    export = estimator.export_saved_model(os.path.join(path, "export"), _receive)
    return os.fsdecode(export)


def _serialize(floats, integers, country) -> bytes:
    feature = {k: tf.train.Feature(float_list={"value": [v]}) for k, v in floats.items()}
    feature |= {k: tf.train.Feature(int64_list={"value": [v]}) for k, v in integers.items()}
    feature["country"] = tf.train.Feature(bytes_list={"value": [country]})
    return tf.train.Example(features={"feature": feature}).SerializeToString()


def _read(path, batch_size):
    label = {"label": tf.io.FixedLenFeature([], tf.int64)}
    data = tf.data.TFRecordDataset(path, "GZIP").repeat().batch(batch_size, drop_remainder=True)
    data = data.map(lambda batch: tf.io.parse_example(batch, {**_SPEC, **label}))
    return data.map(lambda parsed: (parsed, parsed.pop("label")))


def _receive():
    serialized = tf1.placeholder(tf.string, [None], "examples")
    features = tf.io.parse_example(serialized, _SPEC)
    return ServingInputReceiver(features, {"examples": serialized})


def _model_fn(features, labels, mode, params):
    del params
    hashed = tf.strings.to_hash_bucket_fast(features["country"], 64)
    table = tf1.get_variable("countries", [64, 4])
    columns = [tf.reshape(features[name], [-1, 1]) for name in NUMBERS]
    columns.append(tf.reshape(tf.cast(features["day"], tf.float32), [-1, 1]))
    hidden = tf.concat([*columns, tf.nn.embedding_lookup(table, hashed)], axis=1)
    for units in (64, 32):
        hidden = tf1.layers.dense(hidden, units, tf.nn.relu)
    logits = tf1.layers.dense(hidden, 1)
    predictions = {"probability": tf.sigmoid(logits), "logits": logits}
    if mode == ModeKeys.PREDICT:
        outputs = {
            "predict": PredictOutput(predictions),
            "serving_default": PredictOutput(predictions),
        }
        return TPUEstimatorSpec(mode, predictions=predictions, export_outputs=outputs)
    label = tf.reshape(tf.cast(labels, tf.float32), [-1, 1])
    loss = tf1.losses.sigmoid_cross_entropy(label, logits)
    optimizer = tf1.tpu.CrossShardOptimizer(tf1.train.AdamOptimizer(0.01))
    train_op = optimizer.minimize(loss, global_step=tf1.train.get_global_step())
    return TPUEstimatorSpec(mode, loss=loss, train_op=train_op)
