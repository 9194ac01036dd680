"""TensorFlow's own hooks: what they do on both engines, and what is refused on devices."""

import json
import logging

import numpy as np
import pytest
import tensorflow as tf
from helpers import models
from helpers.events import read_scalars

tf1 = tf.compat.v1
ENGINES = pytest.mark.parametrize("use_tpu", [False, True], ids=["host", "devices"])
LOOP = 4
STEPS = 10


def model_fn(features, labels, mode, params):
    """As `linear_model_fn`, with tensors that hooks can ask for by name."""
    spec = models.linear_model_fn(features, labels, mode, params)
    tf.identity(tf.reduce_mean(features["x"]), name="mean_of_batch")
    tf.identity(spec.loss * 2.0, name="twice_the_loss")
    step = tf.cast(tf1.train.get_global_step(), tf.float32)
    tf.identity(step * 10.0, name="ten_times_the_step")
    if "make_hooks" in params:
        return spec._replace(training_hooks=params["make_hooks"](spec))
    return spec


def make(model_dir, use_tpu, **arguments):
    make = models.make_tpu_estimator if use_tpu else models.make_estimator
    return make(model_dir, model_fn, **arguments)


def train(model_dir, use_tpu, hook=None, steps=STEPS, **arguments):
    hooks = [] if hook is None else [hook]
    return make(model_dir, use_tpu, **arguments).train(
        models.train_input_fn, hooks=hooks, max_steps=steps
    )


class Fetch(tf1.train.SessionRunHook):
    """Notes what it asks for, by name, after every run."""

    def __init__(self, *names):
        self._names = names
        self.seen = []

    def before_run(self, run_context):
        return tf1.train.SessionRunArgs({name: f"{name}:0" for name in self._names})

    def after_run(self, run_context, run_values):
        self.seen.append(run_values.results)


def test_on_devices_hooks_have_the_loss_and_the_step(tmp_path):
    hook = Fetch("twice_the_loss", "ten_times_the_step")
    train(tmp_path, True, hook)
    losses = read_scalars(str(tmp_path), "loss")
    assert [seen["ten_times_the_step"] for seen in hook.seen] == [40, 80, 100]
    expected = [2 * losses[step] for step in (4, 8, 10)]
    np.testing.assert_allclose([s["twice_the_loss"] for s in hook.seen], expected, rtol=1e-6)


def test_in_evaluations_too(tmp_path):
    estimator = train(tmp_path, True, steps=4)
    hook = Fetch("twice_the_loss")
    result = estimator.evaluate(models.eval_input_fn, steps=10, hooks=[hook])
    mean = np.mean([seen["twice_the_loss"] for seen in hook.seen])
    assert mean == pytest.approx(2 * result["loss"], rel=1e-6)
    text = "Fetch asks for `mean_of_batch:0`, which is computed on the devices.*host_call"
    with pytest.raises(ValueError, match=text):
        estimator.evaluate(models.eval_input_fn, steps=10, hooks=[Fetch("mean_of_batch")])


class Watchers:
    """One of each hook that watches, in one training."""

    def __init__(self, directory):
        self._directory = directory
        # It opens its event file at once, which TensorFlow 2 allows in a graph only.
        with tf.Graph().as_default():
            self._profiler = tf1.train.ProfilerHook(save_steps=4, output_dir=str(directory))
        self.final = None

    def make(self, spec):
        """Makes the hooks of a spec."""
        directory = str(self._directory)
        summary = tf1.summary.scalar("my_loss", spec.loss)
        self.final = tf1.train.FinalOpsHook(tf1.trainable_variables()[0].read_value())
        return [
            tf1.train.LoggingTensorHook(
                {"the_loss": spec.loss},
                every_n_iter=1,
                formatter=lambda tensors: f"<{tensors['the_loss']:.6f}>",
            ),
            tf1.train.NanTensorHook(spec.loss),
            tf1.train.StepCounterHook(every_n_steps=4, output_dir=directory),
            tf1.train.SummarySaverHook(save_steps=4, output_dir=directory, summary_op=summary),
            tf1.train.GlobalStepWaiterHook(0),
            self._profiler,
            self.final,
        ]


@ENGINES
def test_hooks_that_watch(tmp_path, use_tpu, caplog, monkeypatch):
    watchers = Watchers(tmp_path / "mine")
    with caplog.at_level(logging.INFO, logger="tensorflow"):
        monkeypatch.setattr(tf.get_logger(), "propagate", True)
        # A function: params are copied, but no functions.
        params = {"make_hooks": lambda spec: watchers.make(spec)}
        estimator = train(tmp_path / "model", use_tpu, params=params)
    losses = read_scalars(str(tmp_path / "model"), "loss")
    assert max(losses) == STEPS
    # Hooks come at the end of a loop.
    ends = [4, 8, 10] if use_tpu else list(range(1, 11))
    assert [step for step, loss in losses.items() if f"<{loss:.6f}>" in caplog.text] == ends
    assert read_scalars(str(tmp_path / "mine"), "global_step/sec")
    found = read_scalars(str(tmp_path / "mine"), "my_loss")
    # SummarySaverHook decides before a run by the step after the one before: 10, not 8.
    assert sorted(found) == ([4, 10] if use_tpu else [1, 5, 9])
    for step, value in found.items():
        assert value == pytest.approx(losses[step], rel=1e-6)
    kernel = estimator.get_variable_value("kernel")
    np.testing.assert_array_equal(watchers.final.final_ops_values, kernel)
    timelines = sorted((tmp_path / "mine").glob("timeline-*.json"))
    assert json.loads(timelines[0].read_text())["traceEvents"]
    assert ("and not the steps, which run on devices" in caplog.text) == use_tpu


@ENGINES
@pytest.mark.parametrize(
    ("arguments", "host", "devices"), [({"last_step": 6}, 6, 8), ({"num_steps": 3}, 3, 4)]
)
def test_stop_at_step_hook(tmp_path, use_tpu, arguments, host, devices):
    estimator = train(tmp_path, use_tpu, tf1.train.StopAtStepHook(**arguments))
    expected = devices if use_tpu else host
    assert estimator.latest_checkpoint().endswith(f"-{expected}")


@ENGINES
def test_checkpoint_saver_hook(tmp_path, use_tpu):
    hook = tf1.train.CheckpointSaverHook(str(tmp_path / "mine"), save_steps=4)
    train(tmp_path / "model", use_tpu, hook)
    assert models.saved_steps(tmp_path / "mine") == [0, 4, 8, 10]
    assert models.saved_steps(tmp_path / "model") == []
    _, kernel, _ = models.train_by_hand(8)
    saved = tf.train.load_variable(str(tmp_path / "mine" / "model.ckpt-8"), "kernel")
    np.testing.assert_allclose(saved, kernel, rtol=1e-4)


def fed_model_fn(features, labels, mode, params):
    factor = tf1.placeholder(tf.float32, [], name="factor")
    return models.linear_model_fn({"x": features["x"] * factor}, labels, mode, params)


def test_feed_fn_hook_on_the_host(tmp_path):
    def train(name, model_fn, **arguments):
        estimator = models.make_estimator(tmp_path / name, model_fn)
        estimator.train(models.train_input_fn, max_steps=2, **arguments)
        return estimator.get_variable_value("kernel")

    hook = tf1.train.FeedFnHook(lambda: {"factor:0": 1.0})
    found = train("fed", fed_model_fn, hooks=[hook])
    np.testing.assert_array_equal(found, train("plain", models.linear_model_fn))


def test_feeding_the_model_is_refused_on_devices(tmp_path):
    estimator = models.make_tpu_estimator(tmp_path, fed_model_fn)
    hook = tf1.train.FeedFnHook(lambda: {"factor:0": 1.0})
    text = r"placeholder, `factor` \(.*test_session_hooks.py:\d+.*nobody feeds it.*use_tpu=False"
    with pytest.raises(ValueError, match=text):
        estimator.train(models.train_input_fn, hooks=[hook], max_steps=2)


class FeedOwn(tf1.train.SessionRunHook):
    """Feeds a placeholder of its own."""

    def begin(self):
        self._feed = tf1.placeholder(tf.float32, [])
        self._twice = self._feed * 2.0

    def before_run(self, run_context):
        return tf1.train.SessionRunArgs(self._twice, feed_dict={self._feed: 3.0})

    def after_run(self, run_context, run_values):
        self.result = run_values.results


def test_a_hook_can_feed_what_is_its_own(tmp_path):
    hook = FeedOwn()
    train(tmp_path, True, hook)
    assert hook.result == 6


class RunsMore(tf1.train.SessionRunHook):
    def after_run(self, run_context, run_values):
        run_context.session.run("mean_of_batch:0")


@pytest.mark.parametrize(
    ("make_hook", "text"),
    [
        (lambda: Fetch("mean_of_batch"), "Fetch asks for `mean_of_batch:0`"),
        (
            lambda: tf1.train.LoggingTensorHook(["mean_of_batch"], every_n_iter=1),
            "LoggingTensorHook asks for `mean_of_batch:0`",
        ),
        (
            lambda: tf1.train.FeedFnHook(lambda: {"twice_the_loss:0": 1.0}),
            "FeedFnHook feeds `twice_the_loss:0`",
        ),
        (lambda: tf1.train.FinalOpsHook("mean_of_batch:0"), "FinalOpsHook runs an op"),
        (RunsMore, "RunsMore runs an op in the session that reads the input"),
    ],
)
def test_what_only_devices_know_is_refused(tmp_path, make_hook, text):
    with pytest.raises(ValueError, match=f"{text}.*devices.*use_tpu=False"):
        train(tmp_path, True, make_hook())
