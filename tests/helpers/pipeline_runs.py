"""A small pipeline over made-up data, and what a run of it left behind."""

import os
import pathlib
import textwrap

import numpy as np
from helpers.tfrecords import make_example, write_records

SCHEMA = """
feature { name: "x" type: FLOAT value_count { min: 4 max: 4 } presence { min_fraction: 1.0 } }
feature { name: "y" type: FLOAT value_count { min: 1 max: 1 } presence { min_fraction: 1.0 } }
"""

MODULE = """
import tensorflow.compat.v1 as tf
from tfx_tpu_estimator import PredictOutput, TPUEstimatorSpec


def metric_fn(labels, p):
    return {"accuracy": tf.metrics.accuracy(labels, tf.round(p)), "auc": tf.metrics.auc(labels, p)}


def model_fn(features, labels, mode, params):
    logits = tf.layers.dense(features["x"], 1, name="logits")
    p = tf.sigmoid(logits)
    if mode == "infer":
        return TPUEstimatorSpec(
            mode, predictions={"p": p}, export_outputs={"predict": PredictOutput({"p": p})}
        )
    loss = tf.losses.sigmoid_cross_entropy(labels, logits)
    if mode == "eval":
        return TPUEstimatorSpec(mode, loss=loss, eval_metrics=(metric_fn, [labels, p]))
    optimizer = tf.tpu.CrossShardOptimizer(tf.train.AdamOptimizer(0.05))
    return TPUEstimatorSpec(
        mode, loss=loss, train_op=optimizer.minimize(loss, tf.train.get_global_step())
    )
"""


def make_records(count, seed=0):
    rng = np.random.RandomState(seed)
    x = rng.randn(count, 4)
    return [make_example(x=list(map(float, row)), y=[float(row.sum() > 0)]) for row in x]


def make_config(folder, **changes):
    """A PipelineConfig over 400 + 100 examples of a linear rule."""
    from tfx_tpu_estimator.components import TPUEstimatorOptions
    from tfx_tpu_estimator.pipelines.config import PipelineConfig

    folder = pathlib.Path(folder)
    data = folder / "data"
    if not data.exists():
        for split in ("train", "eval"):
            (data / split).mkdir(parents=True)
        write_records(data / "train" / "a.tfrecord", make_records(200, seed=1))
        write_records(data / "train" / "b.tfrecord", make_records(200, seed=2))
        write_records(data / "eval" / "a.tfrecord", make_records(100, seed=3))
        (folder / "schema.pbtxt").write_text(SCHEMA)
        (folder / "user_module.py").write_text(textwrap.dedent(MODULE))
    defaults = {
        "name": "small",
        "root": str(folder / "artifacts"),
        "metadata_path": str(folder / "metadata.sqlite"),
        "examples_dir": str(data),
        "splits": {"train": "train/*", "eval": "eval/*"},
        "schema_file": str(folder / "schema.pbtxt"),
        "module_file": str(folder / "user_module.py"),
        "push_dir": str(folder / "pushed"),
        "options": TPUEstimatorOptions(train_batch_size=32, label_key="y"),
        "train_steps": 60,
        "eval_config": make_eval_config(),
    }
    return PipelineConfig(**{**defaults, **changes})


def make_eval_config(lower_bound=0.8):
    import tensorflow_model_analysis as tfma
    from google.protobuf import text_format

    return text_format.Parse(
        """
        model_specs { label_key: "y" prediction_key: "p" signature_name: "predict" }
        slicing_specs {}
        metrics_specs {
          metrics { class_name: "ExampleCount" }
          metrics {
            class_name: "AUC"
            threshold { value_threshold { lower_bound { value: LOWER_BOUND } } }
          }
        }
        """.replace("LOWER_BOUND", str(lower_bound)),
        tfma.EvalConfig(),
    )


def run(config):
    """Runs the pipeline and returns the report of the run."""
    from tfx_tpu_estimator.pipelines.local_dag import run_local
    from tfx_tpu_estimator.pipelines.pipeline import create_pipeline
    from tfx_tpu_estimator.pipelines.report import read_latest_run

    run_local(create_pipeline(config))
    return read_latest_run(config.metadata_path, config.name)


def list_outputs(config, node):
    """The output directories that an attempt of a node left behind."""
    root = pathlib.Path(config.root) / node
    if not root.exists():
        return []
    return sorted(
        os.path.join(key, execution)
        for key in os.listdir(root)
        if not key.startswith(".")
        for execution in os.listdir(root / key)
    )
