"""Models without a checkpoint of their own, whose model_fn loads trained values."""

import numpy as np
import pytest
import tensorflow as tf
from helpers.models import make_tpu_estimator

from tfx_tpu_estimator.estimator import Estimator
from tfx_tpu_estimator.specs import EstimatorSpec, TPUEstimatorSpec

v1 = tf.compat.v1


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("pretrained") / "model.ckpt")
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable("w", initializer=np.full([2, 1], 3.0, np.float32))
        session.run(v1.global_variables_initializer())
        return v1.train.Saver().save(session, path)


def make_model_fn(assignment, spec, in_scaffold=False):
    def model_fn(features, labels, mode, params):
        y = tf.matmul(features["x"], v1.get_variable("w", [2, 1]))
        if params.get("bias"):
            y += v1.get_variable("b", [1])
        load = lambda: v1.train.init_from_checkpoint(*assignment) if assignment else None  # noqa: E731
        if not in_scaffold:
            load()
            return spec(mode, predictions={"y": y}, loss=tf.reduce_mean(y))

        def scaffold_fn():
            load()
            return v1.train.Scaffold()

        return spec(mode, predictions={"y": y}, loss=tf.reduce_mean(y), scaffold_fn=scaffold_fn)

    return model_fn


def input_fn(params=None):
    data = tf.data.Dataset.from_tensor_slices({"x": np.ones([6, 2], np.float32)})
    return data.batch((params or {}).get("batch_size", 2))


def make(tmp_path, model_fn, on_devices, **params):
    if on_devices:
        return make_tpu_estimator(tmp_path, model_fn, params=params)
    return Estimator(model_fn, str(tmp_path), params=params)


@pytest.mark.parametrize(("on_devices", "in_scaffold"), [(False, False), (True, True)])
def test_predictions_with_loaded_values(tmp_path, pretrained, on_devices, in_scaffold):
    spec = TPUEstimatorSpec if on_devices else EstimatorSpec
    model_fn = make_model_fn((pretrained, {"w": "w"}), spec, in_scaffold)
    found = list(make(tmp_path, model_fn, on_devices).predict(input_fn))
    np.testing.assert_array_equal([row["y"] for row in found], np.full([6, 1], 6.0))


def test_evaluation_with_loaded_values(tmp_path, pretrained):
    model_fn = make_model_fn((pretrained, {"w": "w"}), EstimatorSpec)
    result = make(tmp_path, model_fn, False).evaluate(lambda: input_fn().map(lambda x: (x, x)))
    assert (result["loss"], result["global_step"]) == (6.0, 0)


def test_a_variable_that_would_be_random_is_named(tmp_path, pretrained):
    model_fn = make_model_fn((pretrained, {"w": "w"}), EstimatorSpec)
    with pytest.raises(ValueError, match=r"Could not find trained model.*\['b'\] would be random"):
        make(tmp_path, model_fn, False, bias=True).predict(input_fn)


def test_nothing_loaded_is_an_error_at_once(tmp_path):
    with pytest.raises(ValueError, match="Could not find trained model in model_dir"):
        make(tmp_path, make_model_fn(None, EstimatorSpec), False).predict(input_fn)
