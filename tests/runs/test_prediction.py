"""Prediction on devices: exactly the input's examples, in order, and nothing left behind."""

import gc
import itertools
import threading

import numpy as np
import pytest
import tensorflow as tf
from helpers.hooks import CountingHook
from helpers.models import (
    FEATURES,
    eval_input_fn,
    linear_model_fn,
    make_estimator,
    make_tpu_estimator,
    train_input_fn,
)

import tfx_tpu_estimator as tpu_estimator
from tfx_tpu_estimator.inputs.host_stream import THREAD_NAME

tf1 = tf.compat.v1


def model_fn(features, labels, mode, params):
    """The shared model, which also predicts its input."""
    spec = linear_model_fn(features, labels, mode, params)
    if mode != tpu_estimator.ModeKeys.PREDICT:
        return spec
    return spec._replace(predictions={**spec.predictions, "x": features["x"]})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("trained")
    make_tpu_estimator(directory).train(train_input_fn, steps=20)
    return directory


@pytest.fixture(scope="module")
def estimator(trained):
    return make_tpu_estimator(trained, model_fn, replicas=4, predict_batch_size=8)


def take(count):
    """An input_fn of the first `count` examples, without labels."""

    def input_fn(params):
        data = tf.data.Dataset.from_tensor_slices({"x": FEATURES[:count]})
        return data.batch(params["batch_size"])

    return input_fn


def input_threads():
    return [t for t in threading.enumerate() if t.name == THREAD_NAME]


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 16, 23, 100])
def test_exactly_the_examples_in_order(estimator, count):
    rows = list(estimator.predict(take(count)))
    assert len(rows) == count
    if count:
        np.testing.assert_array_equal([row["x"] for row in rows], FEATURES[:count])


def test_values_are_those_of_the_host(estimator, trained):
    rows = estimator.predict(eval_input_fn)
    host = make_estimator(trained).predict(eval_input_fn)
    np.testing.assert_allclose(
        [row["probabilities"] for row in rows], [row["probabilities"] for row in host], rtol=1e-5
    )


def test_batches(estimator):
    sizes = [len(b["x"]) for b in estimator.predict(take(20), yield_single_examples=False)]
    assert sizes == [8, 8, 4]


def test_two_predictions_in_turns(estimator):
    first, second = estimator.predict(take(20)), estimator.predict(take(20))
    rows = list(itertools.chain.from_iterable(zip(first, second, strict=True)))
    np.testing.assert_array_equal([r["x"] for r in rows], np.repeat(FEATURES[:20], 2, axis=0))


def test_training_between_two_examples(estimator, tmp_path):
    rows = estimator.predict(take(20))
    next(rows)
    make_tpu_estimator(tmp_path).train(train_input_fn, steps=1)
    np.testing.assert_array_equal([row["x"] for row in rows], FEATURES[1:20])
    assert tf1.get_default_session() is None


def test_one_that_is_not_consumed_starts_nothing(estimator):
    before = input_threads()
    rows = estimator.predict(take(20))
    assert input_threads() == before
    del rows


@pytest.mark.parametrize("close", [lambda rows: rows.close(), lambda rows: None])
def test_one_that_is_left_ends_its_thread(estimator, close):
    before = input_threads()
    rows = estimator.predict(take(100))
    next(rows)
    close(rows)
    del rows
    gc.collect()
    assert input_threads() == before


def test_predict_keys(estimator):
    assert list(next(estimator.predict(take(1), predict_keys=["x"]))) == ["x"]
    with pytest.raises(ValueError, match="Expected to run at least one output from"):
        next(estimator.predict(take(1), predict_keys=["other"]))


@pytest.mark.parametrize(
    ("build", "rows"),
    [(tf.reduce_sum, 4), (lambda x: x[:1], 4), (lambda x: tf.concat([x, x], 0), 16)],
)
def test_predictions_without_a_row_for_each_example(trained, build, rows):
    def with_another(features, labels, mode, params):
        spec = linear_model_fn(features, labels, mode, params)
        return spec._replace(predictions={**spec.predictions, "other": build(features["x"])})

    estimator = make_tpu_estimator(trained, with_another, replicas=4, predict_batch_size=8)
    message = f"Batch length of predictions should be same.*'other': {rows}}} for a batch of 8"
    with pytest.raises(ValueError, match=message):
        next(estimator.predict(take(9)))
    assert len(list(estimator.predict(take(9), predict_keys=["probabilities"]))) == 9


def test_hooks_run_at_every_batch(trained):
    given, of_spec = CountingHook(), CountingHook()

    def with_hook(features, labels, mode, params):
        return model_fn(features, labels, mode, params)._replace(prediction_hooks=[of_spec])

    estimator = make_tpu_estimator(trained, with_hook, predict_batch_size=8)
    list(estimator.predict(take(20), hooks=[given]))
    assert given.calls == of_spec.calls == ["begin", "run", "run", "run", "end"]


def test_another_checkpoint(estimator, trained):
    first = str(trained / "model.ckpt-0")
    rows = estimator.predict(take(9), checkpoint_path=first)
    np.testing.assert_array_equal([row["probabilities"] for row in rows], np.full([9, 1], 0.5))


def test_no_checkpoint_is_an_error_at_once(tmp_path):
    with pytest.raises(ValueError, match="Could not find trained model in model_dir"):
        make_tpu_estimator(tmp_path, model_fn).predict(take(1))


def test_an_error_of_the_input_comes_after_the_examples_before_it(estimator):
    def input_fn(params):
        def check(x):
            with tf.control_dependencies([tf.debugging.assert_less(x["x"][:, 0], 100.0)]):
                return {"x": tf.identity(x["x"])}

        spoilt = np.concatenate([FEATURES[:16], np.full([4, 4], 200, "float32")])
        data = tf.data.Dataset.from_tensor_slices({"x": spoilt})
        return data.batch(params["batch_size"]).map(check)

    rows = estimator.predict(input_fn)
    found = [row["x"] for row in itertools.islice(rows, 16)]
    np.testing.assert_array_equal(found, FEATURES[:16])
    with pytest.raises(tf.errors.InvalidArgumentError, match="assertion failed"):
        next(rows)
    assert not input_threads()
