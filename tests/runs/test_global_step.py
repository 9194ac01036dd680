"""What reads the global step in a training step sees its value from before the step."""

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
