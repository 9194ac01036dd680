"""Warm-starts a model with the old estimator in every way; writes warm_start/.

Runs on TensorFlow 2.15, the last one with an estimator:

  python make_warm_start.py

warm_start/ gets the vocabularies, a checkpoint, a SavedModel of it (without its graph), and
expected.json: the values that every case starts from.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import types

# Before TensorFlow is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import tensorflow as tf
import warm_start_cases as cases

tf1 = tf.compat.v1
OLD = types.SimpleNamespace(
    WarmStartSettings=tf.estimator.WarmStartSettings, VocabInfo=tf.estimator.VocabInfo
)


def make_estimator(model_dir, sizes, rate, **arguments):
    warm_start = arguments.pop("warm_start_from", None)
    return tf1.estimator.Estimator(
        cases.make_model_fn(tf1.estimator.EstimatorSpec, **arguments),
        model_dir,
        tf.estimator.RunConfig(tf_random_seed=1, save_checkpoints_steps=1),
        params={**sizes, "rate": rate},
        warm_start_from=warm_start,
    )


def write_sources() -> None:
    """Writes what the cases start from."""
    shutil.rmtree(cases.HERE, ignore_errors=True)
    cases.HERE.mkdir()
    cases.write_words(cases.HERE)
    with tempfile.TemporaryDirectory() as model_dir:
        estimator = make_estimator(model_dir, cases.OLD_SIZES, 0.1).train(cases.input_fn, steps=3)
        for suffix in (".index", ".data-00000-of-00001"):
            shutil.copy(f"{model_dir}/model.ckpt-3{suffix}", cases.HERE)
        (cases.HERE / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-3"\n')
        receiver_fn = tf1.estimator.export.build_raw_serving_input_receiver_fn(
            {"word": tf.zeros([1], tf.int32)}
        )
        exported = estimator.export_saved_model(f"{model_dir}/export", receiver_fn).decode()
        shutil.copytree(f"{exported}/variables", cases.HERE / "saved_model" / "variables")


def run_case(warm_start_from, hidden: str, sizes: dict) -> dict:
    """Returns the values after warm start, before the first step."""
    with tempfile.TemporaryDirectory() as model_dir:
        make_estimator(
            model_dir, sizes, 0.1, hidden=hidden, scale=0.0, warm_start_from=warm_start_from
        ).train(cases.input_fn, steps=1)
        first = min(tf.io.gfile.glob(f"{model_dir}/model.ckpt-*.index"))
        return cases.read_variables(first.removesuffix(".index"))


def main() -> None:
    tf1.logging.set_verbosity(tf1.logging.ERROR)
    write_sources()
    expected = {name: run_case(*case) for name, case in cases.settings_of(OLD).items()}
    lines = [f'"{name}": {json.dumps(values)}' for name, values in expected.items()]
    (cases.HERE / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
