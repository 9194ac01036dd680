"""Evaluation on devices: every example counts once, as on the host with the same checkpoint."""

import numpy as np
import pytest
import tensorflow as tf
from helpers.events import read_scalars
from helpers.hooks import CountingHook
from helpers.models import (
    FEATURES,
    LABELS,
    eval_input_fn,
    linear_model_fn,
    make_estimator,
    make_tpu_estimator,
    train_input_fn,
)

import tfx_tpu_estimator as tpu_estimator

tf1 = tf.compat.v1
ModeKeys = tpu_estimator.ModeKeys


def weighted_metric_fn(labels, probabilities, weights):
    squares = tf.keras.metrics.MeanSquaredError()
    squares.update_state(labels, probabilities, weights)
    return {
        "squares": squares,
        "accuracy": tf1.metrics.accuracy(labels, tf.round(probabilities), weights=weights),
        "auc": tf1.metrics.auc(labels, probabilities, weights=weights),
        "error": tf1.metrics.mean(tf.abs(labels - probabilities), weights=weights),
        "weight": tf1.metrics.mean(weights),
        "positives": tf1.metrics.true_positives(labels, probabilities > 0.5),
        "examples": tf1.metrics.true_positives(tf.ones_like(labels), tf.ones_like(labels)),
    }


def model_fn(features, labels, mode, params):
    """The shared model with metrics that are weighted by a feature."""
    spec = linear_model_fn(features, labels, mode, params)
    if mode != ModeKeys.EVAL:
        return spec
    tensors = {
        "labels": labels,
        "probabilities": spec.eval_metrics[1][1],
        "weights": tf.abs(features["x"][:, :1]),
    }
    return spec._replace(eval_metrics=(weighted_metric_fn, tensors))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("trained")
    make_tpu_estimator(directory).train(train_input_fn, steps=20)
    return directory


@pytest.fixture(scope="module")
def estimator(trained):
    """On four devices; what it compiles, all tests of this file use."""
    return make_tpu_estimator(trained, model_fn, replicas=4)


@pytest.fixture(scope="module")
def host(trained):
    return make_estimator(trained, model_fn)


def take(count):
    """An input_fn of the first `count` examples."""

    def input_fn(params):
        data = tf.data.Dataset.from_tensor_slices(({"x": FEATURES[:count]}, LABELS[:count]))
        return data.batch(params["batch_size"])

    return input_fn


def assert_same(found, expected):
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5, abs=1e-6), name


@pytest.mark.parametrize("count", [1, 31, 32, 33, 64, 67])
def test_any_number_of_examples_counts_as_on_the_host(estimator, host, count):
    found = estimator.evaluate(take(count), steps=100)
    assert found["examples"] == count
    assert_same(found, host.evaluate(take(count)))


def test_steps_bound_the_batches(estimator, host):
    assert_same(estimator.evaluate(eval_input_fn, steps=2), host.evaluate(eval_input_fn, steps=2))


def test_results_are_written_under_the_name(estimator, tmp_path):
    found = estimator.evaluate(eval_input_fn, steps=4, name="other")
    written = read_scalars(estimator.eval_dir("other"), "accuracy")
    assert written == {20: pytest.approx(found["accuracy"])}


def test_another_checkpoint(estimator, host, trained):
    first = str(trained / "model.ckpt-0")
    found = estimator.evaluate(eval_input_fn, steps=4, checkpoint_path=first)
    assert found["global_step"] == 0
    assert_same(found, host.evaluate(eval_input_fn, checkpoint_path=first))


def test_hooks_run_at_every_batch(trained):
    given, of_spec = CountingHook(), CountingHook()

    def with_hook(features, labels, mode, params):
        return model_fn(features, labels, mode, params)._replace(evaluation_hooks=[of_spec])

    make_tpu_estimator(trained, with_hook).evaluate(take(64), steps=2, hooks=[given])
    assert given.calls == of_spec.calls == ["begin", "run", "run", "end"]


def test_host_call_runs_in_evaluation_with_the_real_examples(trained):
    seen = []

    def with_host_call(features, labels, mode, params):
        def host_call(x):
            return [tf1.py_func(lambda value: seen.append(value), [x], [])]

        spec = model_fn(features, labels, mode, params)
        return spec._replace(host_call=(host_call, [features["x"]]))

    make_tpu_estimator(trained, with_host_call).evaluate(take(67), steps=10)
    np.testing.assert_array_equal(np.concatenate(seen), FEATURES[:67])


def test_without_metrics_there_is_the_loss(trained, host):
    def plain(features, labels, mode, params):
        return model_fn(features, labels, mode, params)._replace(eval_metrics=None)

    found = make_tpu_estimator(trained, plain).evaluate(eval_input_fn, steps=4)
    expected = host.evaluate(eval_input_fn)
    assert_same(found, {name: expected[name] for name in ("loss", "global_step")})


def test_the_scaffold_may_restore_something_else(trained):
    """As with averaged variables, which evaluation reads in place of the trained ones."""

    def halved(features, labels, mode, params):
        spec = model_fn(features, labels, mode, params)

        def scaffold_fn():
            def init_fn(scaffold, session):
                (kernel,) = (v for v in tf1.global_variables() if v.op.name == "kernel")
                kernel.load(np.zeros([4, 1], "float32"), session)
                (bias,) = (v for v in tf1.global_variables() if v.op.name == "bias")
                bias.load(np.zeros([1], "float32"), session)

            return tf1.train.Scaffold(init_fn=init_fn)

        return spec._replace(scaffold_fn=scaffold_fn)

    found = make_tpu_estimator(trained, halved).evaluate(eval_input_fn, steps=4)
    expected = make_estimator(trained, halved).evaluate(eval_input_fn)
    assert_same(found, expected)


@pytest.mark.parametrize("name", ["loss", "global_step"])
def test_metric_names_of_the_runtime_are_refused(trained, name):
    def bad(features, labels, mode, params):
        spec = model_fn(features, labels, mode, params)
        if mode != ModeKeys.EVAL:
            return spec

        def metrics(labels):
            return {name: tf1.metrics.mean(labels)}

        return spec._replace(eval_metrics=(metrics, [labels]))

    with pytest.raises(ValueError, match=f"Metric with name `{name}` is not allowed"):
        make_tpu_estimator(trained, bad).evaluate(eval_input_fn, steps=1)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda x: [tf1.metrics.mean(x)], "eval_metric_ops must be a dict"),
        (lambda x: {"mean": tf.reduce_mean(x)}, "must be .metric_value, update_op. tuples.*'mean'"),
    ],
)
def test_results_of_a_metric_fn_that_are_refused(trained, result, message):
    def bad(features, labels, mode, params):
        spec = model_fn(features, labels, mode, params)
        return spec._replace(eval_metrics=(result, [labels])) if mode == ModeKeys.EVAL else spec

    with pytest.raises(TypeError, match=message):
        make_tpu_estimator(trained, bad).evaluate(eval_input_fn, steps=1)


def test_an_empty_input_is_an_error(estimator):
    with pytest.raises(ValueError, match="`input_fn` produced no batch"):
        estimator.evaluate(take(0), steps=1)


def test_no_checkpoint_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="Could not find trained model in model_dir"):
        make_tpu_estimator(tmp_path, model_fn).evaluate(eval_input_fn, steps=1)
