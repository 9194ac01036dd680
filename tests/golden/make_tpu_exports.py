"""Exports every case of tpu_export_cases.py with the old estimator; writes tpu_exports.json.

Runs on TensorFlow 2.15, the last one with an estimator:

  python make_tpu_exports.py
"""

from __future__ import annotations

import json
import os
import pathlib
import tempfile
import types

# Before TensorFlow is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import tensorflow as tf
import tpu_export_cases as cases
from tensorflow_estimator.python.estimator.export import export as receivers
from tensorflow_estimator.python.estimator.tpu import tpu_config, tpu_estimator

OLD = types.SimpleNamespace(
    BatchConfig=tpu_estimator.BatchConfig,
    ClassificationOutput=tf.estimator.export.ClassificationOutput,
    PredictOutput=tf.estimator.export.PredictOutput,
    RegressionOutput=tf.estimator.export.RegressionOutput,
    RunConfig=tpu_config.RunConfig,
    ServingInputReceiver=tf.estimator.export.ServingInputReceiver,
    SupervisedInputReceiver=receivers.SupervisedInputReceiver,
    TPUEstimator=tpu_estimator.TPUEstimator,
    TPUEstimatorSpec=tpu_estimator.TPUEstimatorSpec,
    inference_on_tpu=tpu_estimator.inference_on_tpu,
    model_fn_inference_on_tpu=tpu_estimator.model_fn_inference_on_tpu,
)


def main():
    found = {}
    for case in cases.CASES:
        try:
            found[case] = cases.describe(cases.export(OLD, case, tempfile.mkdtemp()))
        except (ValueError, tf.errors.InvalidArgumentError) as error:
            found[case] = {"error": str(error).strip().splitlines()[0]}
        print(case, str(found[case])[:200])
    path = pathlib.Path(__file__).parent / "tpu_exports.json"
    path.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
