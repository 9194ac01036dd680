"""Errors of train, evaluate and predict that programs rely on, from both estimators on the host."""

import json
import math

import numpy as np
import pytest
import tensorflow as tf

import tfx_tpu_estimator as tpu_estimator
from tfx_tpu_estimator import Estimator, EstimatorSpec, ModeKeys, TPUEstimator

tf1 = tf.compat.v1
HOOK = tf1.train.SessionRunHook()
LISTENER = tf1.train.CheckpointSaverListener()


def model_fn(features, labels, mode, params):
    """One weight; `params` says what goes wrong."""
    weight = tf1.get_variable("weight", params.get("shape", []), initializer=tf1.ones_initializer())
    score = features["x"] * tf.reduce_sum(weight)
    predictions = {"score": score, "sum": tf.reduce_sum(score)[None]}
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions=score if "single" in params else predictions)
    loss = tf.reduce_mean((score - labels) ** 2) * params.get("factor", 1.0)
    train_op = tf1.train.GradientDescentOptimizer(0.1).minimize(loss, tf1.train.get_global_step())
    metrics = {params.get("metric", "mean"): tf1.metrics.mean(score)}
    spec = EstimatorSpec(mode, loss=loss, train_op=train_op, eval_metric_ops=metrics)
    return params.get("result", spec)


def input_fn():
    values = np.arange(4, dtype="float32")
    return tf.data.Dataset.from_tensor_slices(({"x": values}, values)).batch(4).repeat(2)


def make_estimator(directory, config=None, **params):
    return Estimator(model_fn, directory, config, params)


def make_tpu_estimator(directory, config=None, **params):
    config = config or tpu_estimator.RunConfig()
    return TPUEstimator(model_fn, directory, config, params, use_tpu=False)


pytestmark = pytest.mark.parametrize("make", [make_estimator, make_tpu_estimator])
CONFIGS = {make_estimator: tpu_estimator.BaseRunConfig, make_tpu_estimator: tpu_estimator.RunConfig}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"steps": 0}, ValueError, "Must specify steps > 0"),
        ({"max_steps": -1}, ValueError, "Must specify max_steps > 0"),
        ({"steps": 1.0}, TypeError, "must be int"),
        ({"max_steps": 1.0}, TypeError, "must be int"),
        ({"steps": 1, "max_steps": 1}, ValueError, r"Can not provide both steps and max_steps\."),
        ({"hooks": ["hook"]}, TypeError, "must be a SessionRunHook"),
        ({"hooks": HOOK}, TypeError, "must be a SessionRunHook"),
        ({"saving_listeners": LISTENER}, TypeError, "must be a list of CheckpointSaverListener"),
        ({"saving_listeners": [HOOK]}, TypeError, "must be a list of CheckpointSaverListener"),
        ({"input_fn": lambda: (1, 2, 3)}, ValueError, "len 2 tuple"),
    ],
)
def test_training(make, arguments, error, message, tmp_path):
    with pytest.raises(error, match=message):
        make(tmp_path).train(**{"input_fn": input_fn, **arguments})
    assert not list(tmp_path.glob("model.ckpt*"))


def test_listeners_without_a_saver(make, tmp_path):
    config = CONFIGS[make](save_checkpoints_secs=None)
    with pytest.raises(ValueError, match="should be a CheckpointSaverHook to use saving_listeners"):
        make(tmp_path, config).train(input_fn, saving_listeners=[LISTENER])


@pytest.mark.parametrize("task", ["chief", "worker", "ps", "evaluator"])
def test_training_of_several_processes(make, task, tmp_path, monkeypatch):
    cluster = {"chief": ["a:1"], "worker": ["b:1"], "ps": ["c:1"]}
    setting = {"cluster": cluster, "task": {"type": task, "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(setting))
    with pytest.raises(ValueError, match="train_and_evaluate"):
        make(tmp_path, CONFIGS[make]()).train(input_fn)


def test_evaluation_in_a_cluster_needs_no_server(make, tmp_path, monkeypatch):
    make(tmp_path).train(input_fn)
    cluster = {"chief": ["localhost:1"], "worker": ["localhost:2"]}
    setting = {"cluster": cluster, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(setting))
    estimator = make(tmp_path, CONFIGS[make]())
    assert estimator.config.master == "grpc://localhost:2"
    assert estimator.evaluate(input_fn)["global_step"] == 2
    assert len(list(estimator.predict(input_fn, "score"))) == 8


def test_a_result_that_is_no_spec(make, tmp_path):
    with pytest.raises(ValueError, match="model_fn should return an EstimatorSpec"):
        make(tmp_path, result={"loss": 1}).train(input_fn)


def test_a_loss_that_is_not_a_number(make, tmp_path):
    with pytest.raises(tf1.train.NanLossDuringTrainingError, match="NaN loss during training"):
        make(tmp_path, factor=math.nan).train(input_fn)


def test_nothing_was_trained(make, tmp_path):
    estimator = make(tmp_path)
    message = f"Could not find trained model in model_dir: {tmp_path}"
    for call in (
        lambda: estimator.evaluate(input_fn),
        lambda: estimator.predict(input_fn),
        estimator.get_variable_names,
        lambda: estimator.get_variable_value("weight"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    """A directory with a checkpoint, which both estimators can read; nothing writes to it."""
    directory = tmp_path_factory.mktemp("trained")
    make_estimator(directory).train(input_fn)
    return directory


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"steps": 0}, ValueError, "Must specify steps > 0"),
        ({"steps": -1}, ValueError, "must be positive"),
        ({"steps": 1.5}, TypeError, "must be int"),
        ({"hooks": ["hook"]}, TypeError, "must be a SessionRunHook"),
        ({"checkpoint_path": "no/such"}, ValueError, "is not a checkpoint"),
    ],
)
def test_evaluation(make, model_dir, arguments, error, message):
    with pytest.raises(error, match=message):
        make(model_dir).evaluate(input_fn, **arguments)


@pytest.mark.parametrize("name", ["global_step", "loss"])
def test_metrics_of_the_runtime(make, model_dir, name):
    with pytest.raises(ValueError, match=f"Metric with name `{name}` is not allowed"):
        make(model_dir, metric=name).evaluate(input_fn)


def test_a_checkpoint_of_another_model(make, model_dir):
    for call in (
        lambda: make(model_dir, shape=[3]).evaluate(input_fn),
        lambda: list(make(model_dir, shape=[3]).predict(input_fn)),
        lambda: make(model_dir, shape=[3]).train(input_fn),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match="`weight` has shape"):
            call()


@pytest.mark.parametrize(
    ("params", "arguments", "message"),
    [
        ({}, {}, "Batch length of predictions should be same"),
        ({"single": 1}, {"predict_keys": ["a"]}, "not valid in case of non-dict predictions"),
        ({}, {"predict_keys": ["a"]}, r"Expected to run at least one output from \['score', 'sum'"),
    ],
)
def test_prediction(make, model_dir, params, arguments, message):
    with pytest.raises(ValueError, match=message):
        list(make(model_dir, **params).predict(input_fn, **arguments))


@pytest.mark.parametrize("error", [tf.errors.UnavailableError, tf.errors.AbortedError])
def test_an_error_of_the_system_is_not_swallowed(make, error, tmp_path):
    class Failing(tf1.train.SessionRunHook):
        def after_run(self, run_context, run_values):
            raise error(None, None, "the other side is gone")

    with pytest.raises(error, match="the other side is gone"):
        make(tmp_path).train(input_fn, hooks=[Failing()])
