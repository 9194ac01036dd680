"""call_logit_fn: which arguments it passes, and what may come back."""

import pytest
import tensorflow as tf

from tfx_tpu_estimator import call_logit_fn


def call(logit_fn):
    with tf.Graph().as_default():
        return call_logit_fn(logit_fn, {"x": tf.constant([[1.0]])}, "train", {"a": 1}, "config")


def test_only_the_named_arguments_are_passed():
    seen = []

    def logit_fn(features, params, mode, config):
        seen.append((sorted(features), params, mode, config))
        return features["x"]

    assert call(logit_fn).shape == (1, 1)
    assert seen == [(["x"], {"a": 1}, "train", "config")]
    assert call(lambda features: features["x"]).shape == (1, 1)


def test_a_dictionary_of_logits():
    logits = call(lambda features: {"a": features["x"], "b": features["x"]})
    assert sorted(logits) == ["a", "b"]


@pytest.mark.parametrize("result", [None, 1.0, "x", {"a": 1}, [], {1: tf.constant(1.0)}])
def test_anything_else_is_refused(result):
    text = "logit_fn should return a Tensor or a dictionary mapping strings to Tensors"
    with pytest.raises(ValueError, match=text):
        call(lambda features: result)
