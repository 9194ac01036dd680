"""InMemoryEvaluatorHook: when it evaluates, and what."""

import json
import os

import numpy as np
import pytest
import tensorflow as tf
from helpers import models
from helpers.events import read_scalars

from tfx_tpu_estimator import InMemoryEvaluatorHook

tf1 = tf.compat.v1


@pytest.mark.parametrize(
    ("use_tpu", "every", "steps"),
    # On devices an iteration is a loop of four steps, but for the last.
    [(False, 3, [0, 3, 6, 9, 10]), (False, 5, [0, 5, 10]), (True, 2, [0, 8, 10])],
)
def test_variables_are_evaluated_as_they_are(tmp_path, use_tpu, every, steps):
    make = models.make_tpu_estimator if use_tpu else models.make_estimator
    estimator = make(tmp_path)
    hook = InMemoryEvaluatorHook(
        estimator, models.eval_input_fn, steps=10, name="memory", every_n_iter=every
    )
    estimator.train(models.train_input_fn, hooks=[hook], max_steps=10)
    losses = read_scalars(estimator.eval_dir("memory"), "loss")
    assert sorted(losses) == steps
    for step in steps:
        _, kernel, bias = models.train_by_hand(step)
        logits = models.FEATURES @ kernel + bias
        accuracy = np.mean((logits > 0) == models.LABELS)
        found = read_scalars(estimator.eval_dir("memory"), "accuracy")[step]
        assert found == pytest.approx(accuracy, abs=1e-6)
    # Checkpoints are those of the training.
    assert models.saved_steps(tmp_path) == [0, 10]


def averaged_model_fn(features, labels, mode, params):
    """Evaluates moving averages of the variables, which its own saver restores."""
    spec = models.linear_model_fn(features, labels, mode, params)
    average = tf1.train.ExponentialMovingAverage(0.0)
    if mode == "train":
        with tf.control_dependencies([spec.train_op]):
            return spec._replace(train_op=average.apply(tf1.trainable_variables()))
    saver = tf1.train.Saver(
        {**average.variables_to_restore(), "global_step": tf1.train.get_global_step()}
    )
    return spec._replace(scaffold_fn=lambda: tf1.train.Scaffold(saver=saver))


def test_a_saver_of_the_model_fn_is_used(tmp_path):
    """The old one refused it."""
    estimator = models.make_estimator(tmp_path, averaged_model_fn)
    hook = InMemoryEvaluatorHook(estimator, models.eval_input_fn, name="memory", every_n_iter=100)
    estimator.train(models.train_input_fn, hooks=[hook], max_steps=5)
    expected = estimator.evaluate(models.eval_input_fn)
    losses = read_scalars(estimator.eval_dir("memory"), "loss")
    assert losses[5] == pytest.approx(float(expected["loss"]), rel=1e-6)


@pytest.mark.parametrize("every", [None, 0, -1])
def test_iterations_are_positive(tmp_path, every):
    with pytest.raises(ValueError, match=f"invalid every_n_iter={every}"):
        InMemoryEvaluatorHook(
            models.make_estimator(tmp_path), models.eval_input_fn, every_n_iter=every
        )


def test_it_is_for_one_process(tmp_path, monkeypatch):
    cluster = {"chief": ["a:1"], "worker": ["b:1"]}
    with monkeypatch.context() as patch:
        task = {"type": "chief", "index": 0}
        patch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
        estimator = models.make_tpu_estimator(tmp_path)
        with pytest.raises(ValueError, match="supports only single machine"):
            InMemoryEvaluatorHook(estimator, models.eval_input_fn)


def test_hooks_are_hooks(tmp_path):
    with pytest.raises(TypeError, match="must be a SessionRunHook"):
        InMemoryEvaluatorHook(
            models.make_estimator(tmp_path), models.eval_input_fn, hooks=[os.getcwd]
        )
