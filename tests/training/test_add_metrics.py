"""add_metrics: more metrics, on both engines and for both kinds of spec."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import models

import tfx_tpu_estimator as tpu_estimator
from tfx_tpu_estimator import Estimator, EstimatorSpec, TPUEstimator, add_metrics

tf1 = tf.compat.v1
ENGINES = pytest.mark.parametrize("use_tpu", [False, True], ids=["host", "devices"])


def model_fn(features, labels, mode, params):
    """As `linear_model_fn`, with predictions in evaluations too."""
    spec = models.linear_model_fn(features, labels, mode, params)
    if mode != "eval":
        return spec
    return spec._replace(predictions={"x0": features["x"][:, :1]})


def metric_fn(features, labels, predictions, config):
    error = tf1.metrics.mean_absolute_error(labels, predictions["x0"])
    return {
        "error": error,
        "mean": tf1.metrics.mean(features["x"]),
        "seed": tf1.metrics.mean(float(config.tf_random_seed)),
    }


@ENGINES
def test_metrics_of_both(tmp_path, use_tpu):
    make = models.make_tpu_estimator if use_tpu else models.make_estimator
    estimator = make(tmp_path, model_fn).train(models.train_input_fn, max_steps=4)
    plain = estimator.evaluate(models.eval_input_fn, steps=10)
    more = add_metrics(estimator, metric_fn)
    assert isinstance(more, TPUEstimator)
    metrics = more.evaluate(models.eval_input_fn, steps=10)
    error = np.mean(np.abs(models.LABELS - models.FEATURES[:, :1]))
    assert metrics["error"] == pytest.approx(error, rel=1e-5)
    assert metrics["mean"] == pytest.approx(np.mean(models.FEATURES), abs=1e-6)
    assert metrics["seed"] == 1
    assert {name: metrics[name] for name in plain} == pytest.approx(plain, rel=1e-6)
    # The first is as it was, and both train the same model.
    assert sorted(estimator.evaluate(models.eval_input_fn, steps=10)) == sorted(plain)
    more.train(models.train_input_fn, max_steps=8)
    assert estimator.latest_checkpoint().endswith("-8")


def test_an_estimator_with_a_plain_spec(tmp_path):
    def plain_model_fn(features, labels, mode):
        bias = tf1.get_variable("bias", [1], initializer=tf1.zeros_initializer())
        predictions = features["x"][:, :1] + bias
        loss = tf1.losses.mean_squared_error(labels, predictions)
        train_op = tf1.train.GradientDescentOptimizer(0.1).minimize(
            loss, tf1.train.get_global_step()
        )
        metrics = {"old": tf1.metrics.mean(1.0), "same": tf1.metrics.mean(1.0)}
        return EstimatorSpec(mode, predictions, loss, train_op, metrics)

    estimator = Estimator(plain_model_fn, str(tmp_path))
    data = ({"x": models.FEATURES}, models.LABELS)

    def input_fn():
        return tf.data.Dataset.from_tensor_slices(data).batch(50)

    def more(labels, predictions):
        return {"same": tf1.metrics.mean(2.0), "error": tf1.metrics.mean(labels - predictions)}

    more = add_metrics(estimator.train(input_fn), more)
    assert type(more) is Estimator
    metrics = more.evaluate(input_fn)
    assert sorted(metrics) == ["error", "global_step", "loss", "old", "same"]
    assert (metrics["old"], metrics["same"]) == (1, 2)


def test_arguments_are_checked(tmp_path):
    estimator = models.make_estimator(tmp_path)
    text = r"has following not expected args: \['params'\]"
    with pytest.raises(ValueError, match=text):
        add_metrics(estimator, lambda labels, params: {})
    with pytest.raises(TypeError, match=r"`estimator` must have type `tf.estimator.Estimator`"):
        add_metrics(tpu_estimator, metric_fn)
