"""Keras metrics as values of eval_metric_ops."""

import pytest
import tensorflow as tf
import tf_keras

from tfx_tpu_estimator.specs import EstimatorSpec, ModeKeys


def make_spec(metric):
    return EstimatorSpec(ModeKeys.EVAL, loss=tf.constant(1.0), eval_metric_ops={"mean": metric})


def test_an_updated_metric_accumulates_over_steps():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        fed = tf.compat.v1.placeholder(tf.float32, [None])
        metric = tf_keras.metrics.Mean()
        metric.update_state(fed)
        spec = make_spec(metric)
        value, update = spec._replace(predictions=fed).eval_metric_ops["mean"]
        session.run(tf.compat.v1.local_variables_initializer())
        for batch in ([1.0, 3.0], [8.0]):
            session.run(update, {fed: batch})
        assert session.run(value) == 4.0


def test_the_same_metric_in_two_specs_is_registered_once():
    with tf.Graph().as_default():
        metric = tf_keras.metrics.Mean()
        metric.update_state(tf.constant([1.0]))
        make_spec(metric)
        make_spec(metric)
        names = [variable.name for variable in tf.compat.v1.local_variables()]
        assert len(names) == len(set(names)) == 2


def test_a_metric_that_was_never_updated():
    with tf.Graph().as_default(), pytest.raises(ValueError, match="was never updated"):
        make_spec(tf_keras.metrics.Mean())
