"""Trains the canned estimators of TensorFlow 2.15 and writes down what came out.

Runs where the old estimator is; see README.md beside this file.

  python make_canned_golden.py write                      makes canned.npz, canned.json and
                                                          checkpoints/canned/
  python make_canned_golden.py continue CASE MODEL_DIR    goes on from the latest checkpoint of
                                                          MODEL_DIR, prints the result as JSON
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import pathlib
import shutil
import tempfile
import types

# Before TensorFlow is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import canned_models
import numpy as np
import tensorflow as tf
from golden_models import read_losses, read_variables
from make_golden import describe_versions

HERE = pathlib.Path(__file__).parent
CHECKPOINTS = HERE / "checkpoints" / "canned"
STEPS_KEPT = (0, canned_models.RESUME_STEP)
WORLD = types.SimpleNamespace(
    v1=tf.compat.v1.estimator, v2=tf.estimator, run_config=tf.compat.v1.estimator.RunConfig
)


def make_old_estimator(case: str, model_dir):
    """Makes the old estimator of a case, on one thread so that two runs agree to the bit."""
    one_thread = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=1, inter_op_parallelism_threads=1, allow_soft_placement=True
    )
    return canned_models.make_estimator(WORLD, case, model_dir, session_config=one_thread)


def read_tags(model_dir: str) -> list[str]:
    """Returns the tags of all training summaries."""
    tags = set()
    for path in glob.glob(os.path.join(model_dir, "events.*")):
        for event in tf.compat.v1.train.summary_iterator(path):
            tags.update(value.tag for value in event.summary.value)
    return sorted(tags - {"global_step/sec"})


def read_signatures(estimator, base: str) -> dict:
    """Exports the model; returns {signature: [method, inputs, outputs]}."""
    spec = canned_models.make_example_spec()
    receiver = tf.compat.v1.estimator.export.build_parsing_serving_input_receiver_fn(spec)
    path = estimator.export_saved_model(base, receiver).decode()
    return canned_models.describe_signatures(path)


def keep_checkpoints(case: str, model_dir: str) -> None:
    """Copies two checkpoints, as a model directory; the graph takes no part in restoring."""
    folder = CHECKPOINTS / case
    folder.mkdir(parents=True)
    for step in STEPS_KEPT:
        for path in glob.glob(os.path.join(model_dir, f"model.ckpt-{step}.*")):
            if not path.endswith(".meta"):
                shutil.copy(path, folder)


def run_case(case: str, root: str) -> tuple[dict, dict]:
    """Trains, evaluates, predicts and exports: arrays by name, and what goes into JSON."""
    model_dir = os.path.join(root, "model")
    estimator = make_old_estimator(case, model_dir)
    canned_models.train(estimator, case)
    losses = read_losses(model_dir)
    assert list(losses) == list(range(1, canned_models.STEPS + 1)), losses
    arrays = {"losses": np.array(list(losses.values()), np.float32)}
    for name, value in read_variables(estimator.latest_checkpoint()).items():
        arrays[f"variables/{name}"] = value
    for name, value in canned_models.predict(estimator, case).items():
        arrays[f"predictions/{name}"] = value
    keep_checkpoints(case, model_dir)
    record = {
        "evaluation": canned_models.evaluate(estimator, case),
        "tags": read_tags(model_dir),
        "signatures": read_signatures(estimator, os.path.join(root, "export")),
    }
    return arrays, record


def write() -> None:
    """Makes all golden files."""
    arrays, cases = {}, {}
    shutil.rmtree(CHECKPOINTS, ignore_errors=True)
    for case in canned_models.CASES:
        with tempfile.TemporaryDirectory() as root:
            found, cases[case] = run_case(case, root)
        arrays.update({f"{case}/{name}": value for name, value in found.items()})
        print(case, found["losses"][[0, -1]], cases[case]["evaluation"], flush=True)
    np.savez_compressed(HERE / "canned.npz", **arrays)
    record = {"versions": describe_versions(), "cases": cases}
    (HERE / "canned.json").write_text(json.dumps(record, indent=1) + "\n")


def continue_training(case: str, model_dir: str) -> None:
    """Goes on to `STEPS` from whatever checkpoint is there, and prints what came out."""
    estimator = make_old_estimator(case, model_dir)
    canned_models.train(estimator, case)
    variables = read_variables(estimator.latest_checkpoint())
    result = {
        "losses": read_losses(model_dir),
        "variables": {name: value.tolist() for name, value in variables.items()},
        "evaluation": canned_models.evaluate(estimator, case),
    }
    print(json.dumps(result))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("write", help="make canned.json, canned.npz and checkpoints/canned/")
    resumed = commands.add_parser("continue", help="go on from a model directory's checkpoint")
    resumed.add_argument("case", choices=canned_models.CASES)
    resumed.add_argument("model_dir")
    arguments = parser.parse_args()
    if arguments.command == "write":
        write()
    else:
        continue_training(arguments.case, arguments.model_dir)


if __name__ == "__main__":
    main()
