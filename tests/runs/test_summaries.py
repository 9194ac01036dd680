"""Summaries that a model makes on the host, with use_tpu=True."""

import numpy as np
import tensorflow as tf
from helpers.events import read_scalars
from helpers.models import linear_model_fn, make_tpu_estimator, train_input_fn

tf1 = tf.compat.v1


def model_fn(features, labels, mode, params):
    """Logistic regression with a summary of its weights, made in scaffold_fn."""

    def scaffold_fn():
        (kernel,) = [v for v in tf1.trainable_variables() if v.op.name == "kernel"]
        tf1.summary.scalar("size", tf.norm(kernel))
        return tf1.train.Scaffold()

    return linear_model_fn(features, labels, mode, params)._replace(scaffold_fn=scaffold_fn)


def test_summaries_of_variables_are_written_at_the_ends_of_loops(tmp_path):
    fields = {"save_summary_steps": 4, "save_checkpoints_steps": 4}
    estimator = make_tpu_estimator(tmp_path, model_fn, loop=2, run=fields)
    estimator.train(train_input_fn, max_steps=8)
    norms = read_scalars(tmp_path, "size")
    assert sorted(norms) == [2, 6]
    reader = tf.train.load_checkpoint(f"{tmp_path}/model.ckpt-8")
    assert norms[2] < norms[6] < np.linalg.norm(reader.get_tensor("kernel"))


def test_no_summaries(tmp_path):
    estimator = make_tpu_estimator(tmp_path, model_fn, loop=2, run={"save_summary_steps": None})
    estimator.train(train_input_fn, max_steps=2)
    assert not read_scalars(tmp_path, "size")
