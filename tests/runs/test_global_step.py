"""What reads the global step in a training step sees its value from before the step."""

import logging

import pytest
import tensorflow as tf
from helpers.hooks import CountingHook
from helpers.models import make_estimator, make_tpu_estimator, train_input_fn

import tfx_tpu_estimator as tpu_estimator

tf1 = tf.compat.v1


def model_fn(features, labels, mode, params):
    """Adds the number of each step to a variable; the step is incremented beside that."""
    total = tf1.get_variable("total", initializer=0.0)
    loss = tf.reduce_sum(features["x"]) * 0.0 + total
    step = tf1.train.get_global_step()
    # On the host, read late, so that a race would be lost.
    slow = [] if params["use_tpu"] else [tf.matmul(tf.eye(300), tf.eye(300)) + loss]
    with tf.control_dependencies(slow):
        number = tf.cast(step.read_value(), tf.float32)
    optimizer = tf1.tpu.CrossShardOptimizer(tf1.train.GradientDescentOptimizer(-number))
    update = optimizer.apply_gradients(optimizer.compute_gradients(total * 1.0))
    train_op = tf.group(update, step.assign(tf.convert_to_tensor(step) + 1))
    return tpu_estimator.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)


@pytest.mark.parametrize("hooks", [[], [CountingHook()]], ids=["looped", "single"])
@pytest.mark.parametrize("make", [make_estimator, make_tpu_estimator], ids=["host", "devices"])
def test_a_step_sees_its_own_number_however_it_is_incremented(tmp_path, make, hooks):
    estimator = make(tmp_path, model_fn)
    estimator.train(train_input_fn, steps=20, hooks=hooks)
    assert estimator.get_variable_value("total") == sum(range(20))


def stalled_model_fn(features, labels, mode, params):
    total = tf1.get_variable("total", initializer=0.0)
    loss = tf.reduce_sum(features["x"]) * total
    # The global step was forgotten.
    train_op = tf1.train.GradientDescentOptimizer(0.1).minimize(loss)
    return tpu_estimator.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)


@pytest.mark.parametrize("hooks", [[], [CountingHook()]], ids=["looped", "single"])
def test_a_train_op_that_does_not_increase_the_step_is_told(tmp_path, caplog, hooks):
    def input_fn(params):
        return train_input_fn(params).take(250)

    estimator = make_estimator(tmp_path, stalled_model_fn)
    with caplog.at_level(logging.WARNING):
        estimator.train(input_fn, steps=3, hooks=hooks)
    said = [r.getMessage() for r in caplog.records if "global step is still 0" in r.getMessage()]
    assert len(said) == 1
    assert "the train_op does not increase it" in said[0]
