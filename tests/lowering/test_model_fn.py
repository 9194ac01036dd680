import functools

import pytest
import tensorflow as tf

from tfx_tpu_estimator.lowering.model_fn import (
    call_model_fn,
    list_arguments,
    resource_variables,
    validate_model_fn,
)
from tfx_tpu_estimator.specs import EstimatorSpec, ModeKeys


def full(features, labels, mode, params, config):
    return EstimatorSpec(mode, predictions=tf.constant([1.0]))


class Callable:
    def __call__(self, features, mode, params):
        return full(features, None, mode, params, None)


@pytest.mark.parametrize(
    ("fn", "expected"),
    [
        (full, ("features", "labels", "mode", "params", "config")),
        (functools.partial(full, labels=None), ("features", "mode", "params", "config")),
        (Callable(), ("features", "mode", "params")),
        (lambda features, *args, **kwargs: None, ("features",)),
    ],
)
def test_arguments_still_to_be_given(fn, expected):
    assert list_arguments(fn) == expected


@pytest.mark.parametrize(
    ("fn", "params", "message"),
    [
        (None, None, "model_fn.* must be"),
        ("model_fn", None, "model_fn.* must be"),
        (lambda labels, params: None, None, "features"),
        (lambda features: None, {"a": 1}, "does not include params"),
        (lambda features, params, extra: None, None, "model_fn .* has following not expected args"),
    ],
)
def test_wrong_signatures(fn, params, message):
    with pytest.raises(ValueError, match=message):
        validate_model_fn(fn, params)


@pytest.mark.parametrize("fn", [full, Callable()])
def test_good_signatures(fn):
    validate_model_fn(fn, {"a": 1})


def call(fn, labels=None):
    with tf.Graph().as_default():
        return call_model_fn(fn, {"x": 1}, labels, ModeKeys.PREDICT, {"batch_size": 1}, None)


def test_only_named_arguments_are_given():
    assert call(Callable()).mode == ModeKeys.PREDICT


def test_params_are_required():
    with pytest.raises(ValueError, match=r"model_fn .* does not include params"):
        call(lambda features: None)


def test_labels_that_nobody_takes():
    with pytest.raises(
        ValueError, match="model_fn does not take labels, but input_fn returns labels"
    ):
        call(lambda features, params: None, labels=1)


@pytest.mark.parametrize("result", [None, {}, tf.constant(1)])
def test_result_must_be_a_spec(result):
    with pytest.raises(ValueError, match="EstimatorSpec"):
        call(lambda features, params: result)


def test_variables_are_resource_variables_even_where_v2_behaviour_is_off():
    with tf.Graph().as_default(), resource_variables():
        made = [
            tf.compat.v1.get_variable("a", [1], use_resource=False),
            tf.compat.v1.Variable(tf.zeros([1]), use_resource=False),
        ]
    assert all(v.dtype == tf.float32 and hasattr(v, "handle") for v in made)
