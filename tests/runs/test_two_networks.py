"""Two networks with an optimizer each, as adversarial ones have: on devices and on the host."""

import numpy as np
import pytest
import tensorflow as tf
from helpers.models import FEATURES, LABELS, make_estimator, make_tpu_estimator

import tfx_tpu_estimator as tpu_estimator

tf1 = tf.compat.v1
ModeKeys = tpu_estimator.ModeKeys
cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits


def generate(noise, training):
    with tf1.variable_scope("Generator"):
        # A bias before a normalisation has no gradient but rounding, which Adam makes steps of.
        hidden = tf1.layers.dense(noise, 6, name="hidden", use_bias=False)
        hidden = tf1.layers.batch_normalization(hidden, training=training, name="norm")
        return tf1.layers.dense(tf.nn.relu(hidden), 4, name="out")


def discriminate(x):
    with tf1.variable_scope("Discriminator", reuse=tf1.AUTO_REUSE):
        hidden = tf.nn.leaky_relu(tf1.layers.dense(x, 6, name="hidden"))
        return tf.squeeze(tf1.layers.dense(hidden, 1, name="out"), 1)


def metric_fn(discriminator_loss, generator_loss):
    return {
        "discriminator": tf1.metrics.mean(discriminator_loss),
        "generator": tf1.metrics.mean(generator_loss),
    }


def minimize(loss, scope):
    optimizer = tf1.tpu.CrossShardOptimizer(tf1.train.AdamOptimizer(0.01, beta1=0.5))
    # All variables of the network: those without a gradient are left out.
    return optimizer.minimize(
        loss, var_list=tf1.get_collection(tf1.GraphKeys.GLOBAL_VARIABLES, scope)
    )


def model_fn(features, labels, mode, params):
    training = mode == ModeKeys.TRAIN
    made = generate(features["noise"], training)
    if mode == ModeKeys.PREDICT:
        return tpu_estimator.TPUEstimatorSpec(mode, predictions={"made": made})
    real, fake = discriminate(features["x"]), discriminate(made)
    generator = cross_entropy(tf.ones_like(fake), fake)
    discriminator = cross_entropy(tf.ones_like(real), real) + cross_entropy(
        tf.zeros_like(fake), fake
    )
    loss = tf.reduce_mean(generator)
    if mode == ModeKeys.EVAL:
        metrics = (metric_fn, [discriminator, generator])
        return tpu_estimator.TPUEstimatorSpec(mode, loss=loss, eval_metrics=metrics)
    with tf.control_dependencies(tf1.get_collection(tf1.GraphKeys.UPDATE_OPS)):
        train_op = tf.group(
            minimize(tf.reduce_mean(discriminator), "Discriminator"),
            minimize(loss, "Generator"),
            tf1.assign_add(tf1.train.get_or_create_global_step(), 1),
        )
    return tpu_estimator.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)


def input_fn(params, mode):
    noise = np.random.default_rng(3).normal(size=(len(FEATURES), 5)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices(({"x": FEATURES, "noise": noise}, LABELS))
    training = mode == ModeKeys.TRAIN
    data = data.repeat() if training else data
    return data.batch(params["batch_size"], drop_remainder=training)


def test_training_evaluation_and_prediction_are_those_of_the_host(tmp_path):
    first = make_estimator(tmp_path / "first", model_fn).train(input_fn, steps=1)
    start = f"{first.model_dir}/model.ckpt-0"
    host = make_estimator(tmp_path / "host", model_fn, warm_start_from=start)
    host.train(input_fn, steps=12)
    make_tpu_estimator(
        tmp_path / "device", model_fn, replicas=1, loop=5, warm_start_from=start
    ).train(input_fn, steps=12)
    for name in host.get_variable_names():
        found = tf.train.load_variable(str(tmp_path / "device"), name)
        np.testing.assert_allclose(found, host.get_variable_value(name), rtol=1e-4, atol=1e-6)

    two = make_tpu_estimator(host.model_dir, model_fn, replicas=2)
    expected = host.evaluate(input_fn)
    assert set(expected) == {"discriminator", "generator", "loss", "global_step"}
    # The last batch is a partial one.
    assert len(FEATURES) % 32
    assert two.evaluate(input_fn, steps=10) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(
        [row["made"] for row in two.predict(input_fn)],
        [row["made"] for row in host.predict(input_fn)],
        rtol=1e-4,
        atol=1e-6,
    )
