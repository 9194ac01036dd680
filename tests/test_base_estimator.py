"""Estimator, the base class, on its own."""

import itertools
import types

import numpy as np
import pytest
import tensorflow as tf
from helpers.models import FEATURES, LABELS, metric_fn

import tfx_tpu_estimator as tpu_estimator
from tfx_tpu_estimator import Estimator, EstimatorSpec, EstimatorV2, ModeKeys

tf1 = tf.compat.v1


def model_fn(features, labels, mode):
    """Logistic regression, as an Estimator user writes it: no params, no config."""
    logits = tf1.layers.dense(features["x"], 1, name="dense")
    probabilities = tf.sigmoid(logits)
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions={"probabilities": probabilities})
    loss = tf1.losses.sigmoid_cross_entropy(labels, logits)
    train_op = tf1.train.GradientDescentOptimizer(0.5).minimize(loss, tf1.train.get_global_step())
    return EstimatorSpec(
        mode, loss=loss, train_op=train_op, eval_metric_ops=metric_fn(labels, probabilities)
    )


def input_fn():
    return tf.data.Dataset.from_tensor_slices(({"x": FEATURES}, LABELS)).batch(20)


def receiver_fn():
    x = tf1.placeholder(tf.float32, [None, 4])
    return tpu_estimator.ServingInputReceiver({"x": x}, {"x": x})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    config = tpu_estimator.BaseRunConfig(tf_random_seed=1)
    estimator = Estimator(model_fn, str(tmp_path_factory.mktemp("model")), config)
    return estimator.train(input_fn)


def test_training_goes_on_to_the_end_of_the_input(trained):
    assert trained.latest_checkpoint().endswith("model.ckpt-5")


def test_evaluation(trained):
    results = trained.evaluate(input_fn)
    assert sorted(results) == ["accuracy", "count", "global_step", "loss"]
    assert results["global_step"] == 5


def test_hooks_are_called_in_turn(tmp_path):
    calls = []

    class Hook(tf1.train.SessionRunHook):
        def __init__(self, name):
            self._name = name

        def before_run(self, run_context):
            calls.append(self._name)

    def with_hooks(features, labels, mode):
        spec = model_fn(features, labels, mode)
        return spec._replace(
            training_hooks=[Hook("spec")],
            training_chief_hooks=[Hook("chief")],
            evaluation_hooks=[Hook("evaluation")],
        )

    estimator = Estimator(with_hooks, tmp_path).train(input_fn, [Hook("user")], steps=2)
    assert calls == ["chief", "user", "spec"] * 2
    calls.clear()
    estimator.evaluate(input_fn, 1, [Hook("user")])
    assert calls == ["user", "evaluation"]


def test_prediction(trained):
    examples = list(itertools.islice(trained.predict(input_fn), 3))
    assert [e["probabilities"].shape for e in examples] == [(1,)] * 3


def test_variables(trained):
    assert trained.get_variable_names() == ["dense/bias", "dense/kernel", "global_step"]
    assert trained.get_variable_value("dense/kernel").shape == (4, 1)


def test_an_export_has_one_metagraph(trained, tmp_path):
    path = trained.export_saved_model(str(tmp_path), receiver_fn)
    with tf.Graph().as_default(), tf1.Session() as session:
        tf1.saved_model.load(session, ["serve"], path.decode())
    with (
        tf.Graph().as_default(),
        tf1.Session() as session,
        pytest.raises(RuntimeError, match="MetaGraphDef associated with tags"),
    ):
        tf1.saved_model.load(session, ["serve", "tpu"], path.decode())


def test_params_are_handed_on_as_they_are(tmp_path):
    seen = []

    def needs_params(features, labels, mode, params, config):
        seen.append((dict(params), config.model_dir))
        return model_fn(features, labels, mode)

    def input_with_all(params, mode, config):
        seen.append((dict(params), config.model_dir))
        assert mode == ModeKeys.TRAIN
        return input_fn()

    Estimator(needs_params, tmp_path, params={"a": [1]}).train(input_with_all, steps=1)
    assert seen == [({"a": [1]}, str(tmp_path))] * 2


def test_params_may_be_any_object(tmp_path):
    seen = []

    def needs_params(features, labels, mode, params):
        seen.append(params.rate)
        return model_fn(features, labels, mode)

    params = types.SimpleNamespace(rate=0.1)
    Estimator(needs_params, tmp_path, params=params).train(input_fn, steps=1)
    assert seen == [0.1]


def test_features_alone(tmp_path):
    def features_only(features, mode):
        loss = tf.reduce_mean(features**2) * tf1.get_variable("w", [])
        train_op = tf1.assign_add(tf1.train.get_global_step(), 1)
        return EstimatorSpec(mode, loss=loss, train_op=train_op)

    Estimator(features_only, tmp_path).train(lambda: tf.ones([2, 2]), steps=2)
    assert tf.train.latest_checkpoint(tmp_path).endswith("-2")


def test_either_run_config_will_do(tmp_path):
    config = tpu_estimator.RunConfig(model_dir=str(tmp_path))
    assert Estimator(model_fn, config=config).model_dir == str(tmp_path)
    assert Estimator(model_fn, str(tmp_path)).config.tf_random_seed is None


def test_a_tpu_estimator_is_an_estimator():
    assert issubclass(tpu_estimator.TPUEstimator, Estimator)
    assert issubclass(EstimatorV2, Estimator)


def test_the_second_version_has_no_export_savedmodel(tmp_path):
    estimator = EstimatorV2(model_fn, tmp_path)
    with pytest.raises(AttributeError, match="Please use `export_saved_model`"):
        estimator.export_savedmodel  # noqa: B018
    assert not hasattr(EstimatorV2, "export_savedmodel")
    assert hasattr(Estimator, "export_savedmodel")


@pytest.mark.parametrize("base", [Estimator, EstimatorV2])
@pytest.mark.parametrize("name", ["predict", "train", "params", "experimental"])
def test_public_members_cannot_be_overridden(base, name, tmp_path):
    mine = type("Mine", (base,), {name: lambda self: None})
    if name == "experimental":
        assert mine(model_fn, tmp_path).experimental() is None
        return
    with pytest.raises(ValueError, match=rf"cannot override members of Estimator.*{name}"):
        mine(model_fn, tmp_path)


def test_a_subclass_may_choose_the_checkpoint(trained, tmp_path):
    class Other(Estimator):
        def latest_checkpoint(self):
            return trained.latest_checkpoint()

    np.testing.assert_array_equal(
        Other(model_fn, tmp_path).get_variable_value("dense/kernel"),
        trained.get_variable_value("dense/kernel"),
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model_fn": None}, "model_fn.* must be"),
        ({"model_fn": lambda labels: 0}, "features"),
        ({"model_fn": lambda features, x: 0}, "model_fn .* has following not expected args"),
        ({"params": {"a": 1}}, "params"),
        ({"config": {}}, "an instance of `RunConfig`"),
        ({"model_dir": ""}, "model_dir should be non-empty"),
        ({"warm_start_from": 3}, "must be a path or a WarmStartSettings"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Estimator(**{"model_fn": model_fn, **arguments})


def test_two_different_model_dirs():
    config = tpu_estimator.BaseRunConfig("/tmp/a")
    with pytest.raises(ValueError, match="`model_dir` are set both in constructor and `RunConfig`"):
        Estimator(model_fn, "/tmp/b", config)
