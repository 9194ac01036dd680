"""Trains the golden models with the old estimator and writes down what came out.

Runs on TensorFlow 2.15, the last one with an estimator; see README.md beside this file.

  python make_golden.py write                       makes golden.json, golden.npz, checkpoints/
  python make_golden.py continue CASE MODEL_DIR     goes on from the latest checkpoint of
                                                    MODEL_DIR, prints the result as JSON
"""

from __future__ import annotations

import argparse
import glob
import importlib.metadata
import json
import os
import pathlib
import platform
import shutil
import tempfile

# Before TensorFlow is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import golden_models
import numpy as np
import tensorflow as tf

HERE = pathlib.Path(__file__).parent
CHECKPOINT_DIR = HERE / "checkpoints" / "old_estimator"


def make_old_estimator(case: str, model_dir):
    """Makes the old TPUEstimator of a case, on one thread so that two runs agree to the bit."""
    one_thread = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=1, inter_op_parallelism_threads=1, allow_soft_placement=True
    )
    return golden_models.make_estimator(
        tf.compat.v1.estimator.tpu,
        case,
        model_dir,
        cross_shard=False,
        session_config=one_thread,
    )


def run_case(case: str, model_dir: str) -> tuple[dict, dict]:
    """Trains, evaluates and predicts.

    Returns:
      Arrays by name (losses, variables, predictions), and evaluations by name.
    """
    estimator = make_old_estimator(case, model_dir)
    golden_models.train(estimator)
    losses = golden_models.read_losses(model_dir)
    assert list(losses) == list(range(1, golden_models.STEPS + 1)), losses
    arrays = {"losses": np.array(list(losses.values()), np.float32)}
    for name, value in golden_models.read_variables(estimator.latest_checkpoint()).items():
        arrays[f"variables/{name}"] = value
    for name, value in golden_models.predict(estimator).items():
        arrays[f"predictions/{name}"] = value
    evaluations = {
        "all": golden_models.evaluate(estimator),
        "three_batches": golden_models.evaluate(estimator, steps=3),
    }
    return arrays, evaluations


def run_plain_estimator(case: str, model_dir: str) -> tuple[np.ndarray, dict]:
    """Trains and evaluates the same model with `tf.estimator.Estimator`: (losses, evaluation)."""
    tpu_model_fn = golden_models.make_model_fn(tf.compat.v1.estimator.tpu)

    def model_fn(features, labels, mode, params):
        return tpu_model_fn(features, labels, mode, params).as_estimator_spec()

    estimator = tf.compat.v1.estimator.Estimator(
        model_fn,
        model_dir=model_dir,
        config=tf.compat.v1.estimator.RunConfig(save_summary_steps=1, tf_random_seed=1),
        params={
            **golden_models.make_params(case, cross_shard=False),
            "batch_size": golden_models.BATCH_SIZE,
        },
    )
    golden_models.train(estimator)
    losses = golden_models.read_losses(model_dir)
    return np.array(list(losses.values()), np.float32), golden_models.evaluate(estimator)


def compare_with_plain_estimator(case: str, arrays: dict, evaluations: dict, model_dir: str):
    """Returns the largest relative differences between the two old estimators."""
    losses, evaluation = run_plain_estimator(case, model_dir)
    return {
        "losses": float(np.max(np.abs(losses / arrays["losses"] - 1))),
        "evaluation": max(
            abs(value - evaluation[name]) / abs(value) for name, value in evaluations["all"].items()
        ),
    }


def keep_checkpoint(model_dir: str) -> None:
    """Copies the checkpoint at `RESUME_STEP`, as a model directory that has just this one."""
    shutil.rmtree(CHECKPOINT_DIR, ignore_errors=True)
    CHECKPOINT_DIR.mkdir(parents=True)
    name = f"model.ckpt-{golden_models.RESUME_STEP}"
    for path in glob.glob(os.path.join(model_dir, name + ".*")):
        # The graph (.meta) is large and takes no part in restoring variables.
        if not path.endswith(".meta"):
            shutil.copy(path, CHECKPOINT_DIR)
    (CHECKPOINT_DIR / "checkpoint").write_text(
        f'model_checkpoint_path: "{name}"\nall_model_checkpoint_paths: "{name}"\n'
    )


def run_resumed(model_dir: str) -> tuple[dict, dict]:
    """Goes on from the kept checkpoint: losses and variables, and evaluation of that checkpoint."""
    shutil.copytree(CHECKPOINT_DIR, model_dir, dirs_exist_ok=True)
    estimator = make_old_estimator(golden_models.RESUME_CASE, model_dir)
    checkpoint = estimator.latest_checkpoint()
    evaluation = golden_models.evaluate(estimator)
    predictions = golden_models.predict(estimator)
    arrays = {f"predictions/{name}": value for name, value in predictions.items()}
    for name, value in golden_models.read_variables(checkpoint).items():
        arrays[f"restored/{name}"] = value
    golden_models.train(estimator)
    arrays["losses"] = np.array(list(golden_models.read_losses(model_dir).values()), np.float32)
    for name, value in golden_models.read_variables(estimator.latest_checkpoint()).items():
        arrays[f"variables/{name}"] = value
    return arrays, evaluation


def write() -> None:
    """Makes all golden files."""
    arrays, evaluations, plain = {}, {}, {}
    for case in golden_models.CASES:
        with tempfile.TemporaryDirectory() as root:
            model_dir = os.path.join(root, "tpu")
            found, evaluations[case] = run_case(case, model_dir)
            plain[case] = compare_with_plain_estimator(
                case, found, evaluations[case], os.path.join(root, "plain")
            )
            if case == golden_models.RESUME_CASE:
                keep_checkpoint(model_dir)
        arrays.update({f"{case}/{name}": value for name, value in found.items()})
        print(case, found["losses"][[0, -1]], evaluations[case]["all"], plain[case], flush=True)
    with tempfile.TemporaryDirectory() as model_dir:
        found, evaluations["resumed"] = run_resumed(model_dir)
    arrays.update({f"resumed/{name}": value for name, value in found.items()})
    np.savez_compressed(HERE / "golden.npz", **arrays)
    record = {
        "versions": describe_versions(),
        "evaluations": evaluations,
        "largest_relative_difference_to_plain_estimator": plain,
    }
    (HERE / "golden.json").write_text(json.dumps(record, indent=1) + "\n")


def describe_versions() -> dict:
    """Returns what the numbers were made with."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "tensorflow": tf.__version__,
        "tensorflow_estimator": importlib.metadata.version("tensorflow-estimator"),
        "numpy": np.__version__,
    }


def continue_training(case: str, model_dir: str) -> None:
    """Goes on to `STEPS` from whatever checkpoint is there, and prints what came out."""
    estimator = make_old_estimator(case, model_dir)
    restored = golden_models.evaluate(estimator)
    golden_models.train(estimator)
    variables = golden_models.read_variables(estimator.latest_checkpoint())
    result = {
        "restored_evaluation": restored,
        "losses": golden_models.read_losses(model_dir),
        "variables": {name: value.tolist() for name, value in variables.items()},
        "evaluation": golden_models.evaluate(estimator),
    }
    print(json.dumps(result))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("write", help="make golden.json, golden.npz and checkpoints/")
    resumed = commands.add_parser("continue", help="go on from a model directory's checkpoint")
    resumed.add_argument("case", choices=golden_models.CASES)
    resumed.add_argument("model_dir")
    arguments = parser.parse_args()
    if arguments.command == "write":
        write()
    else:
        continue_training(arguments.case, arguments.model_dir)


if __name__ == "__main__":
    main()
