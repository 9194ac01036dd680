"""What XLA's converter refuses is said with the line of the model that it comes from."""

import re

import numpy as np
import pytest
import tensorflow as tf
from helpers.lowered import run_on_device

from tfx_tpu_estimator.specs import ModeKeys

tf1 = tf.compat.v1
M = np.random.default_rng(0).normal(size=[4, 8]).astype("float32")


def test_a_result_whose_shape_depends_on_data():
    def build(x):
        # In evaluation shapes need not be known to TensorFlow, only to XLA.
        rows = tf.boolean_mask(x, x[:, 0] > 0)
        return [tf.reduce_sum(x), rows], tf.no_op()

    with pytest.raises(ValueError, match=r"made at .*:\d+, gives `host_call/1` a shape that depen"):
        run_on_device(build, [M], mode=ModeKeys.TRAIN)


def test_a_shape_argument_that_depends_on_data():
    def build(x):
        return [tf.reduce_sum(tf.zeros([tf.cast(x[0, 0], tf.int32)]))]

    message = r"Op `.*` of type .*, made at .*test_hlo.py:\d+, cannot be lowered"
    with pytest.raises(ValueError, match=message) as raised:
        run_on_device(build, [M])
    assert "compile-time constant" in str(raised.value)


def test_a_gradient_that_cannot_be_lowered_names_what_it_is_of():
    def build(x):
        rows = tf.boolean_mask(x, x[:, 0] > 0)
        y = tf.sort(rows, axis=0)  # TopKV2
        return [tf.reduce_sum(tf.gradients(tf.reduce_sum(y), x)[0])]

    here = r"\S*test_hlo.py"
    message = rf"made at {here}:(\d+) for the gradient of `sort/TopKV2` \({here}:(\d+)\), cannot"
    with pytest.raises(ValueError, match=message) as raised:
        run_on_device(build, [M])
    lines = re.search(message, str(raised.value))
    assert int(lines[1]) == int(lines[2]) + 1


def test_an_op_inside_a_loop_that_cannot_be_lowered():
    def build(x):
        def body(i, total):
            return i + 1, total + tf.reduce_sum(tf.zeros([tf.cast(x[0, 0], tf.int32)]))

        loop = tf1.while_loop(lambda i, total: i < 3, body, [0, 0.0], maximum_iterations=3)
        return [loop[1]]

    with pytest.raises(ValueError, match=r"test_hlo.py:\d+, cannot be lowered"):
        run_on_device(build, [M])
