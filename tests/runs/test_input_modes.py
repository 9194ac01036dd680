"""Every way to feed replicas trains the same model, and what input_fn and model_fn are told."""

import numpy as np
import pytest
import tensorflow as tf
from helpers.models import (
    FEATURES,
    eval_input_fn,
    linear_model_fn,
    make_estimator,
    make_tpu_estimator,
    train_by_hand,
    train_input_fn,
)

import tfx_tpu_estimator as tpu_estimator

tf1 = tf.compat.v1
Pipeline = tpu_estimator.InputPipelineConfig
STEPS = 6


def assert_as_by_hand(estimator, steps=STEPS):
    _, kernel, bias = train_by_hand(steps)
    np.testing.assert_allclose(estimator.get_variable_value("kernel"), kernel, rtol=1e-5)
    np.testing.assert_allclose(estimator.get_variable_value("bias"), bias, rtol=1e-4, atol=1e-6)


def tensors_input_fn(params):
    """The next batch as tensors rather than a Dataset."""
    return tf1.data.make_one_shot_iterator(train_input_fn(params)).get_next()


def per_core_input_fn(params):
    """The batches of one core: every so many of all batches."""
    _, index, calls, fed = params["context"].current_input_fn_deployment()
    assert fed == 1
    return tf1.data.make_one_shot_iterator(train_input_fn(params).shard(calls, index)).get_next()


@pytest.mark.parametrize(
    ("pipeline", "input_fn"),
    [
        (False, per_core_input_fn),
        (Pipeline.PER_SHARD_V1, per_core_input_fn),
        (True, train_input_fn),
        (True, tensors_input_fn),
        (Pipeline.PER_HOST_V1, train_input_fn),
        (Pipeline.PER_HOST_V2, train_input_fn),
        (Pipeline.BROADCAST, train_input_fn),
        (Pipeline.BROADCAST, tensors_input_fn),
    ],
)
def test_all_train_alike(tmp_path, pipeline, input_fn):
    estimator = make_tpu_estimator(tmp_path, tpu={"per_host_input_for_training": pipeline})
    estimator.train(input_fn, steps=STEPS)
    assert_as_by_hand(estimator)


def test_batch_axis_says_where_the_batch_is(tmp_path):
    def input_fn(params):
        return train_input_fn(params).map(lambda x, y: ({"x": tf.transpose(x["x"])}, y))

    def model_fn(features, labels, mode, params):
        assert features["x"].shape == [4, 5]
        assert labels.shape == [5, 1]
        return linear_model_fn({"x": tf.transpose(features["x"])}, labels, mode, params)

    estimator = make_tpu_estimator(tmp_path, model_fn, batch_axis=(1, 0))
    estimator.train(input_fn, steps=STEPS)
    assert_as_by_hand(estimator)


@pytest.mark.parametrize("pipeline", [Pipeline.PER_HOST_V1, Pipeline.PER_HOST_V2])
def test_nested_features(tmp_path, pipeline):
    def input_fn(params):
        def nest(x, y):
            left, right = tf.split(x["x"], 2, axis=1)
            return {"a": (left, {"b": right}), "unused": y}, (y,)

        return train_input_fn(params).map(nest)

    def model_fn(features, labels, mode, params):
        left, nested = features["a"]
        joined = {"x": tf.concat([left, nested["b"]], axis=1)}
        return linear_model_fn(joined, labels[0], mode, params)

    tpu = {"per_host_input_for_training": pipeline}
    estimator = make_tpu_estimator(tmp_path, model_fn, tpu=tpu)
    estimator.train(input_fn, steps=STEPS)
    assert_as_by_hand(estimator)


@pytest.mark.parametrize(
    ("pipeline", "input_size", "model_size"),
    [
        (Pipeline.PER_SHARD_V1, 5, 5),
        (Pipeline.PER_HOST_V1, 10, 5),
        (Pipeline.PER_HOST_V2, 5, 5),
        (Pipeline.BROADCAST, 10, 10),
    ],
)
def test_batch_size_and_context_as_both_functions_see_them(
    tmp_path, pipeline, input_size, model_size
):
    seen = {}

    def input_fn(params, mode, config):
        seen["input"] = (params["batch_size"], mode, config.model_dir)
        context = params["context"]
        seen["input context"] = (context.num_replicas, context.num_hosts, context.current_host)
        per_core = pipeline is Pipeline.PER_SHARD_V1
        return (per_core_input_fn if per_core else train_input_fn)(params)

    def model_fn(features, labels, mode, params, config):
        seen["model"] = (params["batch_size"], mode, config.model_dir)
        seen["model shape"] = features["x"].shape.as_list()
        seen["model context"] = (params["context"].num_replicas, params["use_tpu"])
        with pytest.raises(RuntimeError, match="must not be called from model_fn"):
            params["context"].current_input_fn_deployment()
        return linear_model_fn(features, labels, mode, params)

    tpu = {"per_host_input_for_training": pipeline}
    estimator = make_tpu_estimator(tmp_path, model_fn, tpu=tpu, loop=1)
    estimator.train(input_fn, steps=1)
    assert seen == {
        "input": (input_size, "train", str(tmp_path)),
        "input context": (2, 1, 0),
        "model": (model_size, "train", str(tmp_path)),
        "model shape": [model_size, 4],
        "model context": (2, True),
    }


def counting_model_fn(features, labels, mode, params):
    """In evaluation with metrics that notice an example that counts twice or not at all."""
    spec = linear_model_fn(features, labels, mode, params)
    if mode != tpu_estimator.ModeKeys.EVAL:
        return spec
    metric_fn, tensors = spec.eval_metrics

    def with_counts(labels, probabilities):
        return {
            **metric_fn(labels, probabilities),
            "examples": tf1.metrics.true_positives(tf.ones_like(labels), tf.ones_like(labels)),
        }

    return spec._replace(eval_metrics=(with_counts, tensors))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A trained model directory, and its evaluation by the host engine."""
    directory = tmp_path_factory.mktemp("trained")
    make_tpu_estimator(directory).train(train_input_fn, steps=20)
    return directory, make_estimator(directory, counting_model_fn).evaluate(eval_input_fn)


def assert_same_results(found, expected):
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5), name


@pytest.mark.parametrize(
    "tpu",
    [
        {},
        {"eval_training_input_configuration": Pipeline.SLICED},
        {"per_host_input_for_training": Pipeline.PER_HOST_V2},
        {"per_host_input_for_training": Pipeline.BROADCAST},
    ],
    ids=["PER_HOST_V1", "SLICED", "PER_HOST_V2", "BROADCAST"],
)
def test_all_evaluate_and_predict_alike(trained, tpu):
    directory, expected = trained
    estimator = make_tpu_estimator(directory, counting_model_fn, tpu=tpu)
    steps = 2 * 4  # more than there are; the last batch has 4 of 32 examples
    found = estimator.evaluate(eval_input_fn, steps=steps)
    assert expected["examples"] == 100
    assert_same_results(found, expected)
    probabilities = [row["probabilities"] for row in estimator.predict(eval_input_fn)]
    host = make_estimator(directory).predict(eval_input_fn)
    np.testing.assert_allclose(probabilities, [row["probabilities"] for row in host], rtol=1e-5)


def test_eval_on_the_host(trained):
    directory, expected = trained
    seen = []

    def model_fn(features, labels, mode, params):
        spec = counting_model_fn(features, labels, mode, params)
        if mode != tpu_estimator.ModeKeys.EVAL:
            return spec
        seen.append(("context" in params, params["batch_size"], params["use_tpu"]))
        return spec.as_estimator_spec()

    estimator = make_tpu_estimator(directory, model_fn, eval_on_tpu=False)
    assert_same_results(estimator.evaluate(eval_input_fn), expected)
    assert seen == [(False, 32, False)]


def test_predictions_are_in_the_order_of_the_examples(trained):
    directory, _ = trained

    def model_fn(features, labels, mode, params):
        spec = linear_model_fn(features, labels, mode, params)
        return tpu_estimator.TPUEstimatorSpec(
            mode, predictions={"x": features["x"], **spec.predictions}
        )

    rows = make_tpu_estimator(directory, model_fn, replicas=4).predict(eval_input_fn)
    np.testing.assert_array_equal([row["x"] for row in rows], FEATURES)
