"""A model with what real programs have, trained on devices and on the host."""

import numpy as np
import pytest
import tensorflow as tf
from helpers.models import (
    eval_input_fn,
    make_estimator,
    make_tpu_estimator,
    train_input_fn,
)

import tfx_tpu_estimator as tpu_estimator

tf1 = tf.compat.v1
ModeKeys = tpu_estimator.ModeKeys


def metric_fn(labels, probabilities):
    return {
        "auc": tf1.metrics.auc(labels, probabilities),
        "accuracy": tf1.metrics.accuracy(labels, tf.round(probabilities)),
    }


def model_fn(features, labels, mode, params):
    """Batch norm, a decaying learning rate, clipped gradients, averages of variables."""
    training = mode == ModeKeys.TRAIN
    hidden = tf1.layers.dense(features["x"], 8, name="hidden", use_bias=False)
    hidden = tf1.layers.batch_normalization(hidden, training=training, momentum=0.9, name="norm")
    logits = tf1.layers.dense(tf.nn.relu(hidden), 1, name="logits")
    probabilities = tf.sigmoid(logits)
    if mode == ModeKeys.PREDICT:
        return tpu_estimator.TPUEstimatorSpec(mode, predictions={"probabilities": probabilities})
    loss = tf1.losses.sigmoid_cross_entropy(labels, logits)
    averages = tf1.train.ExponentialMovingAverage(0.9)
    if mode == ModeKeys.EVAL:

        def scaffold_fn():
            averaged = averages.variables_to_restore(tf1.trainable_variables())
            kept = {n: v for n, v in averaged.items() if "moving" not in n}
            kept.update({v.op.name: v for v in tf1.global_variables() if "moving" in v.op.name})
            kept["global_step"] = tf1.train.get_global_step()
            return tf1.train.Scaffold(saver=tf1.train.Saver(kept))

        metrics = (metric_fn, [labels, probabilities])
        return tpu_estimator.TPUEstimatorSpec(
            mode, loss=loss, eval_metrics=metrics, scaffold_fn=scaffold_fn
        )
    step = tf1.train.get_global_step()
    rate = tf1.train.exponential_decay(0.1, step, 5, 0.5, staircase=True)
    optimizer = tf1.tpu.CrossShardOptimizer(tf1.train.AdamOptimizer(rate))
    variables = tf1.trainable_variables()
    gradients, _ = tf.clip_by_global_norm(tf.gradients(loss, variables), 0.5)
    with tf.control_dependencies(tf1.get_collection(tf1.GraphKeys.UPDATE_OPS)):
        update = optimizer.apply_gradients(zip(gradients, variables, strict=True), step)
    with tf.control_dependencies([update]):
        train_op = averages.apply(variables)
    return tpu_estimator.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The same training on one device and on the host."""
    root = tmp_path_factory.mktemp("whole")
    # Both engines start from the same initial values.
    first = make_estimator(root / "first", model_fn).train(train_input_fn, steps=1)
    start = f"{first.model_dir}/model.ckpt-0"
    host = make_estimator(root / "host", model_fn, warm_start_from=start)
    host.train(train_input_fn, steps=23)
    device = make_tpu_estimator(
        root / "device", model_fn, replicas=1, loop=5, warm_start_from=start
    ).train(train_input_fn, steps=23)
    return device, host


def test_all_variables_are_the_same(trained):
    device, host = trained
    assert device.get_variable_names() == host.get_variable_names()
    assert any("ExponentialMovingAverage" in name for name in host.get_variable_names())
    for name in host.get_variable_names():
        np.testing.assert_allclose(
            device.get_variable_value(name), host.get_variable_value(name), rtol=1e-4, atol=1e-6
        )


def test_evaluation_with_averaged_variables_is_the_same(trained):
    device, host = trained
    expected = host.evaluate(eval_input_fn)
    for estimator in (
        make_tpu_estimator(host.model_dir, model_fn, replicas=4),
        make_tpu_estimator(host.model_dir, model_fn, replicas=1),
    ):
        found = estimator.evaluate(eval_input_fn, steps=10)
        assert found == pytest.approx(expected, rel=1e-5)
    rows = make_tpu_estimator(host.model_dir, model_fn).predict(eval_input_fn)
    np.testing.assert_allclose(
        [row["probabilities"] for row in rows],
        [row["probabilities"] for row in host.predict(eval_input_fn)],
        rtol=1e-5,
    )
    assert device.evaluate(eval_input_fn, steps=10)["accuracy"] > 0.8


def test_old_checkpoints_and_their_positions_are_removed_across_restarts(tmp_path):
    run = {"save_checkpoints_steps": 2, "keep_checkpoint_max": 3}
    for target in (4, 8, 12):
        make_tpu_estimator(tmp_path, loop=2, run=run).train(train_input_fn, max_steps=target)
    steps = {int(p.stem.split("-")[-1]) for p in tmp_path.glob("model.ckpt-*.index")}
    assert steps == {8, 10, 12}
    # Those of the start and the middle of the last training; its end needs none.
    positions = {p.name for p in tmp_path.glob("*.input.json")}
    assert positions == {"model.ckpt-8.input.json", "model.ckpt-10.input.json"}
