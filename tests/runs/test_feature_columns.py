"""Models of strings, sparse tensors and feature columns: on devices the same as on the host."""

import logging
import shutil

import numpy as np
import pytest
import tensorflow as tf
from helpers import word_models as words
from helpers.events import read_scalars
from helpers.models import LABELS, make_estimator, make_tpu_estimator

import tfx_tpu_estimator as tpu_estimator

tf1 = tf.compat.v1
SIZES = {"train_batch_size": 16, "eval_batch_size": 32, "predict_batch_size": 32}
STEPS = 6


def run_all(estimator):
    """Losses of a training, metrics, and predictions."""
    estimator.train(words.train_input_fn, steps=STEPS)
    metrics = estimator.evaluate(words.eval_input_fn, steps=10)
    predictions = list(estimator.predict(words.predict_input_fn))
    return {
        "losses": losses_of(estimator),
        "metrics": [float(metrics[name]) for name in sorted(metrics)],
        "probabilities": np.concatenate([p["probabilities"] for p in predictions]),
        "letters": np.stack([p["letters"] for p in predictions]),
    }


def losses_of(estimator):
    found = read_scalars(estimator.model_dir, "loss")
    return [value for step, value in sorted(found.items()) if step > 1]


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """A directory with a checkpoint of one step, and what follows on the host."""
    start = tmp_path_factory.mktemp("start")
    make_estimator(start, words.word_model_fn, **SIZES).train(words.train_input_fn, steps=1)
    for path in start.glob("events*"):
        path.unlink()
    copied = tmp_path_factory.mktemp("host") / "model"
    shutil.copytree(start, copied)
    return start, run_all(make_estimator(copied, words.word_model_fn, **SIZES))


def copy_start(host, tmp_path):
    model_dir = tmp_path / "model"
    shutil.copytree(host[0], model_dir)
    return model_dir


@pytest.mark.parametrize("replicas", [pytest.param(1, marks=pytest.mark.slow), 8])
def test_the_same_numbers_as_on_the_host(host, tmp_path, replicas):
    model_dir = copy_start(host, tmp_path)
    found = run_all(make_tpu_estimator(model_dir, words.word_model_fn, replicas=replicas, **SIZES))
    assert len(found["losses"]) == STEPS
    for name, value in host[1].items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, err_msg=name)


def per_core_input_fn(params):
    """The batches of one core, as tensors."""
    _, index, calls, _ = params["context"].current_input_fn_deployment()
    data = words.train_input_fn(params).shard(calls, index)
    iterator = tf1.data.make_initializable_iterator(data)
    tf1.add_to_collection(tf1.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    return iterator.get_next()


@pytest.mark.parametrize(
    ("pipeline", "input_fn"),
    [
        ("PER_HOST_V2", words.train_input_fn),
        ("PER_SHARD_V1", per_core_input_fn),
        ("BROADCAST", words.train_input_fn),
    ],
)
def test_every_way_to_feed_two_replicas(host, tmp_path, pipeline, input_fn):
    pipeline = getattr(tpu_estimator.InputPipelineConfig, pipeline)
    estimator = make_tpu_estimator(
        copy_start(host, tmp_path),
        words.word_model_fn,
        tpu={"per_host_input_for_training": pipeline},
        **SIZES,
    )
    estimator.train(input_fn, steps=STEPS)
    np.testing.assert_allclose(losses_of(estimator), host[1]["losses"], rtol=1e-5)


def growing_input_fn(params):
    """Examples with one word at most first, then with up to five; no shape says how many."""

    def shorten(features, labels):
        words_of = features["words"]
        short = tf.sparse.reset_shape(tf.sparse.slice(words_of, [0], [1]), [6])
        return {**features, "words": short}, labels

    def forget_shape(features, labels):
        batch = features["words"]
        nothing = 0 * tf.size(batch.values, out_type=tf.int64)
        unknown = tf.SparseTensor(batch.indices, batch.values, batch.dense_shape + nothing)
        return {**features, "words": unknown}, labels

    both = words.examples().map(shorten).take(48).concatenate(words.examples().repeat())
    return both.batch(params["batch_size"], drop_remainder=True).map(forget_shape)


def test_longer_rows_make_wider_programs(tmp_path, caplog):
    host = make_estimator(tmp_path / "host", words.few_words_model_fn, **SIZES)
    host.train(growing_input_fn, steps=1)
    shutil.copytree(tmp_path / "host", tmp_path / "device")
    device = make_tpu_estimator(tmp_path / "device", words.few_words_model_fn, loop=2, **SIZES)
    host.train(growing_input_fn, steps=STEPS)
    with caplog.at_level(logging.INFO):
        device.train(growing_input_fn, steps=STEPS)
    wider = [r.getMessage() for r in caplog.records if "made for rows" in r.getMessage()]
    assert len(wider) == 1
    assert "rows of 8 (host/" in wider[0]
    np.testing.assert_allclose(losses_of(device), losses_of(host), rtol=1e-5)


class StopHard(tf1.train.SessionRunHook):
    """Fails when the global step has reached 5."""

    def before_run(self, run_context):
        return tf1.train.SessionRunArgs(tf1.train.get_global_step())

    def after_run(self, run_context, run_values):
        if run_values.results >= 5:
            raise RuntimeError("the power is gone")


def test_a_resumed_training_ends_with_the_same_weights(tmp_path):
    def make(name):
        options = {"run": {"save_checkpoints_steps": 4}, "loop": 2, **SIZES}
        return make_tpu_estimator(tmp_path / name, words.few_words_model_fn, **options)

    whole = make("whole")
    whole.train(growing_input_fn, max_steps=9)
    with pytest.raises(RuntimeError, match="the power is gone"):
        make("broken").train(growing_input_fn, hooks=[StopHard()], max_steps=9)
    again = make("broken")
    again.train(growing_input_fn, max_steps=9)
    names = whole.get_variable_names()
    assert len(names) == 3
    for name in names:
        expected = whole.get_variable_value(name)
        np.testing.assert_array_equal(again.get_variable_value(name), expected, err_msg=name)


def test_a_string_that_no_op_reads_stays_behind(tmp_path):
    def model_fn(features, labels, mode, params):
        return words.linear_on_size(features, labels, mode)

    estimator = make_tpu_estimator(tmp_path, model_fn, **SIZES)
    estimator.train(words.train_input_fn, steps=2)
    assert len(losses_of(estimator)) == 1


def test_a_string_cannot_be_predicted(tmp_path):
    def model_fn(features, labels, mode, params):
        spec = words.linear_on_size(features, labels, mode)
        if mode == tpu_estimator.ModeKeys.PREDICT:
            spec = spec._replace(predictions={**spec.predictions, "place": features["place"]})
        return spec

    estimator = make_tpu_estimator(tmp_path, model_fn, **SIZES)
    estimator.train(words.train_input_fn, steps=1)
    message = r"\(string\), made at .* a TPU has no such values. Return numbers"
    with pytest.raises(ValueError, match=message):
        next(estimator.predict(words.predict_input_fn))


def test_what_has_no_row_for_each_example_cannot_lose_its_padding(tmp_path):
    def model_fn(features, labels, mode, params):
        letters = tf.cast(tf.strings.length(features["place"]), tf.float32)
        del params
        return words.linear_on_size(features, labels, mode, offset=tf.reduce_mean(letters))

    def host_model_fn(features, labels, mode, params):
        joined = tf.strings.reduce_join(features["place"])
        letters = tf.cast(tf.strings.length(joined), tf.float32)
        return words.linear_on_size(features, labels, mode, offset=letters * 0.01)

    estimator = make_tpu_estimator(tmp_path, model_fn, **SIZES)
    estimator.train(words.train_input_fn, steps=1)
    assert len(LABELS) % 32
    estimator.evaluate(words.eval_input_fn, steps=10)
    estimator = make_tpu_estimator(tmp_path, host_model_fn, **SIZES)
    with pytest.raises(ValueError, match=r"has no row for each example.*drop_remainder=True"):
        estimator.evaluate(words.eval_input_fn, steps=10)
