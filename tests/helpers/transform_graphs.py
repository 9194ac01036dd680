"""A real graph of TensorFlow Transform, with raw and transformed examples."""

from __future__ import annotations

import pathlib

import apache_beam as beam
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from helpers.artifacts import make_artifact, make_examples
from helpers.tfrecords import make_example, write_records
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils
from tfx.types import standard_artifacts

RAW_SPEC = {
    "age": tf.io.FixedLenFeature([], tf.float32),
    "town": tf.io.VarLenFeature(tf.string),
    "tips": tf.io.FixedLenFeature([], tf.float32),
}
TOWNS = (b"rome", b"oslo", b"bern")

# A model on what the graph makes: big tips come from old people in Rome.
MODULE = """
import tensorflow.compat.v1 as tf
from tfx_tpu_estimator import PredictOutput, TPUEstimatorSpec


def model_fn(features, labels, mode, params):
    town = tf.one_hot(features["town_xf"], 3)
    x = tf.concat([tf.expand_dims(features["age_xf"], 1), town], 1)
    weights = tf.get_variable("w", [4, 1], initializer=tf.zeros_initializer())
    logits = tf.squeeze(x @ weights, 1)
    if mode == "infer":
        outputs = {"logits": logits, "age": features["age_xf"], "town": features["town_xf"]}
        return TPUEstimatorSpec(mode, outputs, export_outputs={"p": PredictOutput(outputs)})
    loss = tf.losses.sigmoid_cross_entropy(labels, logits)
    if mode == "eval":
        return TPUEstimatorSpec(mode, loss=loss)
    optimizer = tf.tpu.CrossShardOptimizer(tf.train.GradientDescentOptimizer(0.5))
    train_op = optimizer.minimize(loss, tf.train.get_global_step())
    return TPUEstimatorSpec(mode, loss=loss, train_op=train_op)
"""


def preprocessing_fn(inputs):
    """Scales the age, looks towns up in a vocabulary, and makes the label out of the tips."""
    towns = inputs["town"]
    shape = [towns.dense_shape[0], 1]
    town = tf.sparse.to_dense(tf.SparseTensor(towns.indices, towns.values, shape), "")
    return {
        "age_xf": tft.scale_to_z_score(inputs["age"]),
        "town_xf": tf.squeeze(tft.compute_and_apply_vocabulary(town, num_oov_buckets=1), 1) % 3,
        "label": tf.cast(inputs["tips"] > 2.0, tf.int64),
    }


def make_rows(count: int) -> list[dict]:
    """Rows of raw features."""
    return [
        {"age": float(i % 50), "town": [TOWNS[i % 3]], "tips": float(i % 3 == 0) * (i % 50) / 8}
        for i in range(count)
    ]


def make_raw(rows: list[dict], *names: str) -> list[bytes]:
    """Raw records with the features `names` only."""
    return [
        make_example(**{key: row[key] if key == "town" else [row[key]] for key in names})
        for row in rows
    ]


def write_transform(root: pathlib.Path, compat_v1: bool) -> tuple:
    """Runs TensorFlow Transform over 200 rows.

    Args:
        root: An empty directory.
        compat_v1: Whether the graph is written as TensorFlow 1 wrote it.

    Returns:
        A TransformGraph artifact, and Examples artifacts of raw and of transformed examples.
    """
    graph = make_artifact(standard_artifacts.TransformGraph, root / "graph")
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(RAW_SPEC))
    rows = make_rows(200)
    context = tft_beam.Context(temp_dir=str(root / "temp"), force_tf_compat_v1=compat_v1)
    with context, beam.Pipeline() as pipeline:
        data = pipeline | beam.Create(rows), metadata
        transform = data | tft_beam.AnalyzeDataset(preprocessing_fn)
        _ = transform | tft_beam.WriteTransformFn(graph.uri)
    metadata_io.write_metadata(metadata, str(root / "graph" / "metadata"))
    raw = make_examples(root / "raw", ["train", "eval"])
    transformed = make_examples(root / "transformed", ["train", "eval"])
    for split in ("train", "eval"):
        name = f"Split-{split}/data.gz"
        write_records(root / "raw" / name, make_raw(rows, *RAW_SPEC), "GZIP")
        write_records(root / "transformed" / name, apply_graph(graph.uri, rows), "GZIP")
    return graph, raw, transformed


def apply_graph(path: str, rows: list[dict]) -> list[bytes]:
    """Transformed records of `rows`, by TensorFlow Transform's own layer in eager mode."""
    layer = tft.TFTransformOutput(path).transform_features_layer()
    parsed = tf.io.parse_example(tf.constant(make_raw(rows, *RAW_SPEC)), RAW_SPEC)
    values = {name: tensor.numpy().tolist() for name, tensor in layer(parsed).items()}
    return [
        make_example(**{name: [column[i]] for name, column in values.items()})
        for i in range(len(rows))
    ]
