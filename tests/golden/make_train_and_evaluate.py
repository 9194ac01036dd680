"""Runs the scenarios of train_and_evaluate with the old estimator; writes train_and_evaluate.json.

Runs on TensorFlow 2.15, the last one with an estimator:

  python make_train_and_evaluate.py
"""

from __future__ import annotations

import json
import os
import pathlib
import tempfile

# Before TensorFlow is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import tensorflow as tf
import train_eval_scenarios

HERE = pathlib.Path(__file__).parent


def main() -> None:
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    records = {}
    for name, scenario in train_eval_scenarios.SCENARIOS.items():
        with tempfile.TemporaryDirectory() as model_dir:
            records[name] = scenario(tf.estimator, model_dir)
    lines = [f'"{name}": {json.dumps(record, sort_keys=True)}' for name, record in records.items()]
    (HERE / "train_and_evaluate.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
