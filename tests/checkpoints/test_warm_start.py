import numpy as np
import pytest
import tensorflow as tf

from tfx_tpu_estimator.checkpoints.warm_start import (
    WarmStartSettings,
    apply_warm_start,
    resolve_warm_start,
)

tf1 = tf.compat.v1


@pytest.fixture
def checkpoint(tmp_path):
    with tf.Graph().as_default(), tf1.Session() as session:
        for name, value in (("a", 1.0), ("b", 2.0)):
            tf1.get_variable(name, [2], initializer=tf1.constant_initializer(value))
        session.run(tf1.global_variables_initializer())
        return tf1.train.Saver().save(session, str(tmp_path / "model.ckpt"), global_step=3)


def start_from(settings, names=("a", "b")):
    with tf.Graph().as_default(), tf1.Session() as session:
        variables = {
            name: tf1.get_variable(name, [2], initializer=tf1.zeros_initializer()) for name in names
        }
        apply_warm_start(resolve_warm_start(settings))
        session.run(tf1.global_variables_initializer())
        return {name: value[0] for name, value in session.run(variables).items()}


def test_prefix_directory_and_settings_mean_the_same(checkpoint, tmp_path):
    for form in (checkpoint, str(tmp_path), tmp_path, WarmStartSettings(str(tmp_path))):
        assert start_from(form) == {"a": 1.0, "b": 2.0}


def test_only_matching_variables(checkpoint):
    assert start_from(WarmStartSettings(checkpoint, vars_to_warm_start="a")) == {"a": 1, "b": 0}


def test_variables_under_another_name(checkpoint):
    settings = WarmStartSettings(
        checkpoint, vars_to_warm_start=["c"], var_name_to_prev_var_name={"c": "b"}
    )
    assert start_from(settings, names=("c",)) == {"c": 2.0}


def test_saved_model_directory(checkpoint, tmp_path):
    variables = tmp_path / "saved" / "variables"
    variables.mkdir(parents=True)
    for suffix in (".index", ".data-00000-of-00001"):
        tf.io.gfile.copy(checkpoint + suffix, str(variables / f"variables{suffix}"))
    assert start_from(str(tmp_path / "saved")) == {"a": 1.0, "b": 2.0}


def test_nothing_is_nothing():
    assert resolve_warm_start(None) is None


@pytest.mark.parametrize(
    ("value", "message"),
    [("/no/such", "holds no checkpoint"), (5, "must be a path or a WarmStartSettings")],
)
def test_bad_values(value, message):
    with pytest.raises(ValueError, match=message):
        resolve_warm_start(value)


def test_settings_need_a_checkpoint():
    with pytest.raises(ValueError, match="`ckpt_to_initialize_from` MUST be set"):
        WarmStartSettings("")


def test_settings_keep_replace():
    settings = WarmStartSettings("/a")._replace(vars_to_warm_start=None)
    assert settings.vars_to_warm_start is None
    assert settings.var_name_to_vocab_info == {}
    np.testing.assert_array_equal(len(settings), 4)
