"""Exports of one model from checkpoints of every origin, for programs that are not ours."""

import dataclasses
import shutil

import numpy as np
import pytest
import tensorflow as tf
from golden import golden_models
from helpers.golden import OLD_CHECKPOINT_DIR, load_group
from helpers.tfrecords import make_example

import tfx_tpu_estimator as tpu_estimator
from tfx_tpu_estimator import ModeKeys

CASE = "dense/adam"
ORIGINS = ("devices", "host", "old estimator")
FEATURES, LABELS = golden_models.make_data("dense", "eval")
SPEC = {"x": tf.io.FixedLenFeature([8], tf.float32)}
LABEL_SPEC = {"label": tf.io.FixedLenFeature([1], tf.float32)}


def supervised_receiver_fn():
    """Features and labels, both from tf.Examples."""
    examples = tf.compat.v1.placeholder(tf.string, [None], name="examples")
    parsed = tf.io.parse_example(examples, {**SPEC, **LABEL_SPEC})
    labels = parsed.pop("label")
    return tpu_estimator.SupervisedInputReceiver(parsed, labels, {"examples": examples})


RECEIVERS = {
    ModeKeys.PREDICT: tpu_estimator.build_parsing_serving_input_receiver_fn(SPEC),
    ModeKeys.TRAIN: supervised_receiver_fn,
    ModeKeys.EVAL: supervised_receiver_fn,
}


@dataclasses.dataclass(frozen=True)
class Export:
    """An export, and what the estimator itself says about its checkpoint.

    `loss` is the mean over all examples, while `metrics` has that over batches.
    """

    path: str
    predictions: dict
    metrics: dict

    @property
    def loss(self):
        p = self.predictions["probabilities"].astype(np.float64)
        return -np.mean(LABELS * np.log(p) + (1 - LABELS) * np.log(1 - p))


def _train(origin, directory):
    if origin == "old estimator":
        # As it left it, trained for 24 steps.
        shutil.copytree(OLD_CHECKPOINT_DIR, directory)
        return golden_models.make_estimator(tpu_estimator, CASE, directory)
    on_devices = origin == "devices"
    tpu_config = tpu_estimator.TPUConfig(num_shards=2 if on_devices else None)
    estimator = golden_models.make_estimator(
        tpu_estimator, CASE, directory, use_tpu=on_devices, tpu_config=tpu_config
    )
    golden_models.train(estimator, golden_models.RESUME_STEP)
    return golden_models.make_estimator(tpu_estimator, CASE, directory)


@pytest.fixture(scope="session")
def exports(tmp_path_factory):
    """{origin of the checkpoint: Export of all three modes}."""
    made = {}
    for origin in ORIGINS:
        directory = tmp_path_factory.mktemp("origin")
        estimator = _train(origin, directory / "model")
        path = estimator.experimental_export_all_saved_models(str(directory / "export"), RECEIVERS)
        made[origin] = Export(
            path=path.decode(),
            predictions=golden_models.predict(estimator),
            metrics=golden_models.evaluate(estimator),
        )
    # What the old estimator itself had predicted from that checkpoint.
    recorded = load_group("resumed", "predictions")
    for name, values in made["old estimator"].predictions.items():
        np.testing.assert_allclose(values, recorded[name], rtol=1e-5)
    return made


@pytest.fixture(scope="session")
def examples():
    """The serialized tf.Examples, with labels."""
    rows = zip(FEATURES, LABELS, strict=True)
    return [make_example(x=x.tolist(), label=y.tolist()) for x, y in rows]
