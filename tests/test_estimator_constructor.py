"""Checks of TPUEstimator's constructor."""

import pytest
from helpers.models import linear_model_fn

import tfx_tpu_estimator as tpu_estimator


def make(**arguments):
    arguments.setdefault("model_fn", linear_model_fn)
    arguments.setdefault("config", tpu_estimator.RunConfig())
    arguments.setdefault("use_tpu", False)
    return tpu_estimator.TPUEstimator(**arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"params": {"batch_size": 1}}, ValueError, "are reserved keys but existed in params"),
        ({"params": {"context": 1}}, ValueError, "are reserved keys"),
        ({"use_tpu": True}, ValueError, "`train_batch_size` cannot be `None`"),
        ({"train_batch_size": 1.0}, TypeError, "must be int"),
        ({"eval_batch_size": 0}, ValueError, "must be positive"),
        ({"predict_batch_size": -1}, ValueError, "must be positive"),
        ({"config": None}, ValueError, "an instance of `RunConfig`"),
        ({"model_fn": None}, ValueError, "model_fn.* must be"),
        ({"model_fn": lambda features, extra: 0}, ValueError, "following not expected args"),
        ({"model_fn": lambda labels: 0}, ValueError, "features"),
        ({"export_saved_model_api_version": 3}, ValueError, "should be 1 or 2; got 3"),
        ({"batch_axis": 0}, TypeError, "batch_axis"),
        ({"warm_start_from": "/no/such/checkpoint"}, ValueError, "holds no checkpoint"),
        ({"warm_start_from": 3}, ValueError, "must be a path or a WarmStartSettings"),
        ({"model_dir": ""}, ValueError, "model_dir should be non-empty"),
        ({"config": tpu_estimator.BaseRunConfig()}, ValueError, "an instance of `RunConfig`"),
        ({"embedding_config_spec": object()}, TypeError, "embedding_config_spec"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        make(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train_distribute": object()}, "`train_distribute` is not supported.*use_tpu=True"),
        ({"eval_distribute": object()}, "`eval_distribute` is not supported.*use_tpu=True"),
        ({"device_fn": lambda op: "/cpu:0"}, "`device_fn` has no effect with use_tpu=True"),
    ],
)
def test_settings_that_cannot_be_honoured_are_refused_with_the_way_out(arguments, message):
    config = tpu_estimator.RunConfig(**arguments)
    with pytest.raises(tpu_estimator.FeatureNotAvailableError, match=message):
        make(config=config, use_tpu=True, train_batch_size=8)


def test_two_different_model_dirs():
    config = tpu_estimator.RunConfig(model_dir="/tmp/a")
    with pytest.raises(ValueError, match="`model_dir` are set both in constructor and `RunConfig`"):
        make(config=config, model_dir="/tmp/b")
    assert make(config=config, model_dir="/tmp/a").model_dir == "/tmp/a"


def test_no_model_dir_is_a_temporary_one(caplog):
    estimator = make()
    assert estimator.model_dir
    assert estimator.config.model_dir == estimator.model_dir
    assert "temporary folder" in caplog.text


def test_config_and_params_are_copies():
    params = {"layers": [1, 2]}
    estimator = make(params=params)
    params["layers"].append(3)
    estimator.params["layers"].append(4)
    assert estimator.params == {"layers": [1, 2]}
    assert estimator.config is not estimator.config


def test_use_tpu_is_no_reserved_key():
    assert make(params={"use_tpu": 1}).params == {"use_tpu": 1}


def test_public_members_cannot_be_overridden():
    class Mine(tpu_estimator.TPUEstimator):
        def predict(self):
            return None

    with pytest.raises(ValueError, match=r"cannot override members of Estimator.*predict"):
        Mine(linear_model_fn, config=tpu_estimator.RunConfig(), use_tpu=False)


def test_subclasses_may_add_members(tmp_path):
    class Mine(tpu_estimator.TPUEstimator):
        def describe(self):
            return self.model_dir

    mine = Mine(
        linear_model_fn, model_dir=str(tmp_path), config=tpu_estimator.RunConfig(), use_tpu=False
    )
    assert mine.describe() == str(tmp_path)


def test_model_fn_property_is_bound_to_the_params():
    import tensorflow as tf

    seen = {}

    def model_fn(features, labels, mode, params, config):
        seen.update(params)
        return tpu_estimator.EstimatorSpec(mode, predictions=features)

    estimator = make(model_fn=model_fn, params={"a": 1})
    with tf.Graph().as_default():
        spec = estimator.model_fn(tf.zeros([1]), None, tpu_estimator.ModeKeys.PREDICT, None)
    assert spec.mode == tpu_estimator.ModeKeys.PREDICT
    assert seen == {"a": 1}
