"""RunConfig.checkpoint_save_graph_def on both engines."""

import numpy as np
import pytest
import tensorflow as tf
from helpers.models import make_estimator, make_tpu_estimator, train_input_fn

import tfx_tpu_estimator as tpu_estimator

tf1 = tf.compat.v1


def make(engine, directory, **fields):
    if engine == "devices":
        return make_tpu_estimator(directory, replicas=2, loop=1, run=fields)
    return make_estimator(directory, config=tpu_estimator.RunConfig(tf_random_seed=1, **fields))


def list_files(directory):
    names = sorted(p.name for p in directory.iterdir() if "tfevents" not in p.name)
    return [name for name in names if name.endswith((".meta", ".pbtxt"))]


@pytest.mark.parametrize("engine", ["host", "devices"])
def test_the_graph_lies_beside_the_checkpoints_that_are_kept(engine, tmp_path):
    estimator = make(engine, tmp_path, save_checkpoints_steps=2, keep_checkpoint_max=2)
    estimator.train(train_input_fn, max_steps=6)
    assert list_files(tmp_path) == ["graph.pbtxt", "model.ckpt-4.meta", "model.ckpt-6.meta"]
    with tf.Graph().as_default(), tf1.Session() as session:
        prefix = estimator.latest_checkpoint()
        tf1.train.import_meta_graph(f"{prefix}.meta").restore(session, prefix)
        (kernel,) = [v for v in tf1.trainable_variables() if v.op.name == "kernel"]
        np.testing.assert_array_equal(session.run(kernel), estimator.get_variable_value("kernel"))


@pytest.mark.parametrize("engine", ["host", "devices"])
def test_no_graph_where_none_is_wanted(engine, tmp_path):
    estimator = make(engine, tmp_path, checkpoint_save_graph_def=False)
    estimator.train(train_input_fn, max_steps=2)
    assert list_files(tmp_path) == []
