"""TPUEstimator.evaluate and predict on the host engine."""

import itertools

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
    receiver_fn,
    train_input_fn,
)

import tfx_tpu_estimator as tpu_estimator

tf1 = tf.compat.v1


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    estimator = make_estimator(tmp_path_factory.mktemp("trained"))
    return estimator.train(train_input_fn, steps=30)


def expected_probabilities(estimator, features=FEATURES):
    logits = features @ estimator.get_variable_value("kernel") + estimator.get_variable_value(
        "bias"
    )
    return 1 / (1 + np.exp(-logits.astype("float64")))


def test_metrics_cover_every_example_once(trained):
    results = trained.evaluate(eval_input_fn)
    probabilities = expected_probabilities(trained)
    accuracy = np.mean((probabilities > 0.5) == LABELS)
    assert results["accuracy"] == pytest.approx(accuracy)
    assert results["global_step"] == 30
    losses = -(LABELS * np.log(probabilities) + (1 - LABELS) * np.log(1 - probabilities))
    batches = [losses[i : i + 32].mean() for i in range(0, 100, 32)]
    assert results["loss"] == pytest.approx(np.mean(batches), rel=1e-5)


def test_steps_limit_the_evaluation(trained):
    results = trained.evaluate(eval_input_fn, steps=2)
    probabilities = expected_probabilities(trained)[:64]
    assert results["accuracy"] == pytest.approx(np.mean((probabilities > 0.5) == LABELS[:64]))


def test_results_are_written_where_tensorboard_looks(trained):
    results = trained.evaluate(eval_input_fn, name="other")
    assert trained.eval_dir("other").endswith("eval_other")
    assert trained.eval_dir().endswith("eval")
    written = read_scalars(trained.eval_dir("other"), "accuracy")
    assert written == {30: pytest.approx(results["accuracy"], rel=1e-6)}


def test_a_given_checkpoint_is_evaluated(tmp_path):
    config = tpu_estimator.RunConfig(save_checkpoints_steps=5)
    estimator = make_estimator(tmp_path, config=config).train(train_input_fn, steps=10)
    first = estimator.evaluate(eval_input_fn, checkpoint_path=str(tmp_path / "model.ckpt-0"))
    assert first["global_step"] == 0
    assert first["loss"] == pytest.approx(np.log(2))


def test_evaluation_hooks_run(trained):
    hook = CountingHook()
    trained.evaluate(eval_input_fn, hooks=[hook])
    assert hook.calls == ["begin", *["run"] * 4, "end"]


def test_no_checkpoint_is_an_error_not_random_output(tmp_path):
    estimator = make_estimator(tmp_path / "m")
    with pytest.raises(ValueError, match="not find trained model in model_dir"):
        estimator.evaluate(eval_input_fn)
    with pytest.raises(ValueError, match="not find trained model in model_dir"):
        estimator.predict(eval_input_fn)
    with pytest.raises(ValueError, match="not find trained model in model_dir"):
        estimator.get_variable_names()
    with pytest.raises(ValueError, match="is not a checkpoint"):
        estimator.evaluate(eval_input_fn, checkpoint_path=str(tmp_path / "none"))
    assert estimator.latest_checkpoint() is None


def test_unknown_variable_lists_near_names(trained):
    with pytest.raises(ValueError, match=r"Near names: \['kernel'"):
        trained.get_variable_value("kernal")


@pytest.mark.parametrize("name", ["global_step", "loss"])
def test_metric_names_of_the_runtime_are_taken(tmp_path, name):
    def model_fn(features, labels, mode, params):
        spec = linear_model_fn(features, labels, mode, params)
        if mode == tpu_estimator.ModeKeys.EVAL:
            fn = lambda labels: {name: tf1.metrics.mean(labels)}  # noqa: E731
            spec = spec._replace(eval_metrics=(fn, [labels]))
        return spec

    estimator = make_estimator(tmp_path, model_fn).train(train_input_fn, steps=1)
    with pytest.raises(ValueError, match=f"Metric with name `{name}` is not allowed"):
        estimator.evaluate(eval_input_fn)


@pytest.mark.parametrize(
    ("steps", "error", "message"),
    [(0, ValueError, "must be positive"), (2.0, TypeError, "must be int")],
)
def test_bad_steps(trained, steps, error, message):
    with pytest.raises(error, match=message):
        trained.evaluate(eval_input_fn, steps=steps)


def test_empty_evaluation_is_an_error(trained):
    def empty(params):
        return tf.data.Dataset.from_tensor_slices(({"x": FEATURES[:0]}, LABELS[:0])).batch(4)

    with pytest.raises(ValueError, match="`input_fn` produced no batch"):
        trained.evaluate(empty)


def test_model_that_does_not_fit_the_checkpoint(trained):
    def wider(features, labels, mode, params):
        tf1.get_variable("extra", [1])
        return linear_model_fn(features, labels, mode, params)

    other = make_estimator(trained.model_dir, wider)
    message = "does not fit the model_fn in mode '{}': `extra` is not in the checkpoint"
    for error in (ValueError, tf.errors.InvalidArgumentError):
        with pytest.raises(error, match=message.format("eval")):
            other.evaluate(eval_input_fn)
    with pytest.raises(ValueError, match=message.format("infer")):
        next(other.predict(eval_input_fn))
    with pytest.raises(ValueError, match=message.format("infer")):
        other.export_saved_model(str(trained.model_dir) + "/export", receiver_fn)
    with pytest.raises(ValueError, match=message.format("train")):
        other.train(train_input_fn, steps=1)


def test_shapes_that_do_not_fit_the_checkpoint(trained):
    def narrower(features, labels, mode, params):
        return linear_model_fn({"x": features["x"][:, :3]}, labels, mode, params)

    other = make_estimator(trained.model_dir, narrower, params={"width": 3})
    shapes = r"`kernel` has shape \[4, 1\] in the checkpoint and \[3, 1\] in the model"
    with pytest.raises(tf.errors.InvalidArgumentError, match=shapes):
        other.evaluate(eval_input_fn)
    with pytest.raises(ValueError, match=rf"{shapes}; `kernel/Momentum` has shape"):
        other.train(train_input_fn, steps=1)


@pytest.mark.parametrize("error", [tf.errors.AbortedError, tf.errors.UnavailableError])
def test_aborted_and_unavailable_are_not_swallowed(trained, error):
    class Failing(tf1.train.SessionRunHook):
        def before_run(self, run_context):
            raise error(None, None, "lost")

    with pytest.raises(error, match="lost"):
        trained.evaluate(eval_input_fn, hooks=[Failing()])
    with pytest.raises(error, match="lost"):
        list(trained.predict(eval_input_fn, hooks=[Failing()]))
    with pytest.raises(error, match="lost"):
        trained.train(train_input_fn, hooks=[Failing()], steps=1)


def test_predictions_are_the_inputs_examples_in_order(trained):
    rows = list(trained.predict(eval_input_fn))
    assert len(rows) == 100
    got = np.stack([row["probabilities"] for row in rows])
    np.testing.assert_allclose(got, expected_probabilities(trained), rtol=1e-5)


def test_whole_batches(trained):
    batches = list(trained.predict(eval_input_fn, yield_single_examples=False))
    assert [len(b["probabilities"]) for b in batches] == [32, 32, 32, 4]


def test_two_predictions_can_be_consumed_in_turns(trained):
    def second(params):
        return tf.data.Dataset.from_tensor_slices({"x": -FEATURES}).batch(params["batch_size"])

    pairs = list(zip(trained.predict(eval_input_fn), trained.predict(second), strict=True))
    one = np.stack([a["probabilities"] for a, _ in pairs])
    two = np.stack([b["probabilities"] for _, b in pairs])
    np.testing.assert_allclose(one, expected_probabilities(trained), rtol=1e-5)
    np.testing.assert_allclose(two, expected_probabilities(trained, -FEATURES), rtol=1e-5)


def test_a_prediction_left_unconsumed_changes_nothing(trained):
    generator = trained.predict(eval_input_fn)
    next(generator)
    assert tf1.get_default_graph().building_function is False
    assert trained.evaluate(eval_input_fn)["global_step"] == 30
    generator.close()
    assert len(list(itertools.islice(trained.predict(eval_input_fn), 5))) == 5


def predict_with(trained, predictions_of):
    def model_fn(features, labels, mode, params):
        spec = linear_model_fn(features, labels, mode, params)
        return tpu_estimator.EstimatorSpec(mode, predictions=predictions_of(spec.predictions))

    return make_estimator(trained.model_dir, model_fn)


def test_predict_keys_choose(trained):
    more = predict_with(trained, lambda p: {**p, "twice": 2 * p["probabilities"]})
    row = next(more.predict(eval_input_fn, predict_keys=["twice"]))
    assert list(row) == ["twice"]
    with pytest.raises(ValueError, match="Expected to run at least one output from"):
        next(more.predict(eval_input_fn, predict_keys=["thrice"]))


def test_predictions_may_be_a_tensor(trained):
    plain = predict_with(trained, lambda p: p["probabilities"])
    assert len(list(plain.predict(eval_input_fn))) == 100
    with pytest.raises(ValueError, match="predict_keys argument is not valid in case of non-dict"):
        next(plain.predict(eval_input_fn, predict_keys=["a"]))


@pytest.mark.parametrize(
    "extra", [lambda p: tf.zeros([7]), lambda p: tf.zeros([])], ids=["length", "scalar"]
)
def test_outputs_that_are_not_per_example(trained, extra):
    odd = predict_with(trained, lambda p: {**p, "odd": extra(p)})
    with pytest.raises(ValueError, match="Batch length of predictions should be same"):
        next(odd.predict(eval_input_fn))
    assert len(list(odd.predict(eval_input_fn, yield_single_examples=False))) == 4
