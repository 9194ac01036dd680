"""Training steps in a loop inside the graph give what steps one by one give."""

import logging

import numpy as np
import pytest
import tensorflow as tf
from helpers.events import read_scalars
from helpers.models import FEATURES, LABELS, linear_model_fn, make_estimator, train_input_fn

import tfx_tpu_estimator as tpu_estimator

tf1 = tf.compat.v1
STEPS = 23


class LookingOn(tf1.train.SessionRunHook):
    """A hook of the user's, for which steps run one by one."""

    def __init__(self):
        self.runs = 0

    def after_run(self, run_context, run_values):
        self.runs += 1


def make_train_op(loss):
    return tf1.train.AdamOptimizer(0.02).minimize(loss, tf1.train.get_global_step())


def build_spec(mode, hidden, labels):
    logits = tf1.layers.dense(hidden, 1, name="logits")
    loss = tf1.losses.sigmoid_cross_entropy(labels, logits)
    return tpu_estimator.EstimatorSpec(mode, loss=loss, train_op=make_train_op(loss))


def dropout_model_fn(features, labels, mode, params):
    hidden = tf1.layers.dense(features["x"], 8, activation=tf.nn.relu)
    hidden = tf.nn.dropout(hidden, rate=0.3)
    tf1.summary.scalar("hidden", tf.reduce_mean(hidden))
    return build_spec(mode, hidden + tf.random.normal(tf.shape(hidden)) * 0.1, labels)


def tf1_loop_model_fn(features, labels, mode, params):
    hidden = tf1.layers.dense(features["x"], 8)
    _, hidden = tf1.while_loop(
        lambda i, h: i < 3,
        lambda i, h: (i + 1, tf.tanh(h * 1.1)),
        [0, hidden],
        maximum_iterations=3,
    )
    scale = tf1.cond(tf.reduce_mean(hidden) > 0, lambda: 1.0, lambda: 0.5)
    return build_spec(mode, hidden * scale, labels)


def function_model_fn(features, labels, mode, params):
    @tf.function
    def layer(x):
        return tf.cond(tf.reduce_mean(x) > 0, lambda: tf.tanh(x), lambda: tf.sin(x))

    hidden = layer(tf1.layers.dense(features["x"], 8))
    return build_spec(mode, hidden, labels)


def batch_norm_model_fn(features, labels, mode, params):
    hidden = tf1.layers.dense(features["x"], 8)
    hidden = tf1.layers.batch_normalization(hidden, training=True)
    with tf.control_dependencies(tf1.get_collection(tf1.GraphKeys.UPDATE_OPS)):
        hidden = tf.identity(hidden)
    tf1.summary.histogram("kernel", tf1.trainable_variables()[0])
    return build_spec(mode, hidden, labels)


def table_and_python_model_fn(features, labels, mode, params):
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(["a", "b"], [1.0, 2.0]), default_value=0.0
    )
    doubled = tf1.py_func(lambda x: x * 2, [features["x"]], tf.float32)
    doubled.set_shape(features["x"].shape)
    return build_spec(mode, doubled * table.lookup(tf.constant("b")), labels)


def decayed_model_fn(features, labels, mode, params):
    rate = tf1.train.exponential_decay(0.1, tf1.train.get_global_step(), 5, 0.5, staircase=True)
    hidden = tf1.layers.dense(features["x"], 8)
    loss = tf1.losses.sigmoid_cross_entropy(labels, tf1.layers.dense(hidden, 1))
    tf1.summary.scalar("rate", rate)
    optimizer = tf1.train.MomentumOptimizer(rate, 0.9)
    return tpu_estimator.EstimatorSpec(
        mode, loss=loss, train_op=optimizer.minimize(loss, tf1.train.get_global_step())
    )


MODELS = [
    dropout_model_fn,
    tf1_loop_model_fn,
    function_model_fn,
    batch_norm_model_fn,
    table_and_python_model_fn,
    decayed_model_fn,
]


def train(model_dir, model_fn, hooks=(), input_fn=train_input_fn, steps=STEPS, **settings):
    settings = {"save_summary_steps": 5, "log_step_count_steps": 7, **settings}
    config = tpu_estimator.RunConfig(tf_random_seed=1, **settings)
    estimator = make_estimator(model_dir, model_fn, config=config)
    return estimator.train(input_fn, hooks=list(hooks), steps=steps)


def read_variables(estimator):
    return {n: estimator.get_variable_value(n) for n in estimator.get_variable_names()}


@pytest.mark.parametrize("model_fn", MODELS)
def test_a_loop_gives_the_numbers_of_single_steps(tmp_path, model_fn, caplog):
    caplog.set_level(logging.DEBUG, logger="tfx_tpu_estimator")
    looped = train(tmp_path / "looped", model_fn)
    assert "Steps run one by one" not in caplog.text
    hook = LookingOn()
    single = train(tmp_path / "single", model_fn, [hook])
    assert hook.runs == STEPS
    found, wanted = read_variables(looped), read_variables(single)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    for tag in ("loss", "hidden", "rate"):
        values = read_scalars(tmp_path / "looped", tag)
        assert values == read_scalars(tmp_path / "single", tag)
    assert sorted(read_scalars(tmp_path / "looped", "loss")) == list(range(1, STEPS + 1))


@pytest.mark.parametrize(
    ("model_fn", "expected"),
    [
        (dropout_model_fn, {1, 151, 200, 301, 400, 451, 500}),
        (linear_model_fn, {200, 400, 500}),  # it has no summaries
    ],
)
def test_python_gets_its_turn_only_where_something_is_due(
    tmp_path, monkeypatch, model_fn, expected
):
    from tfx_tpu_estimator.execution import loop_schedule
    from tfx_tpu_estimator.execution.step_loop import StepLoop

    untils = []
    run = StepLoop.run

    def counting(self, session, **limits):
        untils.append(limits["until"])
        return run(self, session, **limits)

    monkeypatch.setattr(StepLoop, "run", counting)
    # However slow the machine is, nobody wants his turn by the clock.
    monkeypatch.setattr(loop_schedule, "_RUN_SECONDS", 1e6)
    train(tmp_path, model_fn, steps=500, save_checkpoints_steps=200, save_summary_steps=150)
    assert set(untils) == expected
    # The first run is of one step, which tells how long one takes.
    assert len(untils) <= len(expected) + 1


def test_speed_is_measured_without_a_stop(tmp_path):
    train(tmp_path, linear_model_fn, steps=60, log_step_count_steps=20, save_checkpoints_steps=100)
    speeds = read_scalars(tmp_path, "global_step/sec")
    assert sorted(speeds) == [21, 41]
    assert all(speed > 0 for speed in speeds.values())


def test_checkpoints_are_saved_at_their_steps(tmp_path):
    train(tmp_path, linear_model_fn, save_checkpoints_steps=9, keep_checkpoint_max=None)
    steps = {int(p.stem.split("-")[-1]) for p in tmp_path.glob("model.ckpt-*.index")}
    assert steps == {0, 9, 18, 23}
    train(tmp_path, linear_model_fn, save_checkpoints_steps=9, keep_checkpoint_max=None)
    steps = {int(p.stem.split("-")[-1]) for p in tmp_path.glob("model.ckpt-*.index")}
    assert steps == {0, 9, 18, 23, 32, 41, 46}


def test_steps_before_the_end_of_the_input_count(tmp_path):
    def input_fn(params):
        data = tf.data.Dataset.from_tensor_slices(({"x": FEATURES}, LABELS))
        return data.repeat(7).batch(params["batch_size"])

    estimator = train(tmp_path, linear_model_fn, input_fn=input_fn, steps=None)
    assert estimator.get_variable_value("global_step") == 70
    assert sorted(read_scalars(tmp_path, "loss")) == list(range(1, 71))
    whole = train(tmp_path / "whole", linear_model_fn, steps=70)
    np.testing.assert_array_equal(
        estimator.get_variable_value("kernel"), whole.get_variable_value("kernel")
    )


def seen_model_fn(features, labels, mode, params):
    """Adds up what it is given; params["increment"] is what a step adds to the global step."""
    total = tf1.get_variable("total", [], tf.float32, tf1.zeros_initializer())
    value = sum(tf.reduce_sum(v) for v in tf.nest.flatten(features))
    with tf.control_dependencies([total.assign_add(value)]):
        step = tf1.train.get_global_step().assign_add(params["increment"])
    loss = total.read_value() * 0.0 + value
    tf1.summary.scalar("value", value)
    return tpu_estimator.EstimatorSpec(mode, loss=loss, train_op=step.op)


def count_from_one(params):
    numbers = tf.data.Dataset.range(1, 31).map(lambda n: {"n": tf.cast(n, tf.float32)[None]})
    return numbers if params.get("ends") else numbers.concatenate(numbers.repeat())


@pytest.mark.parametrize("increment", [1, 2, 3])
def test_every_batch_is_used_wherever_a_run_ends(tmp_path, increment):
    config = tpu_estimator.RunConfig(save_checkpoints_steps=7, save_summary_steps=5)
    params = {"increment": increment}
    estimator = tpu_estimator.Estimator(seen_model_fn, str(tmp_path), config, params)
    estimator.train(count_from_one, max_steps=24)
    steps = -(-24 // increment)
    assert estimator.get_variable_value("total") == steps * (steps + 1) / 2
    estimator = tpu_estimator.Estimator(seen_model_fn, str(tmp_path / "b"), config, params)
    estimator.train(lambda params: count_from_one({**params, "ends": True}))
    assert estimator.get_variable_value("total") == 30 * 31 / 2
    assert sorted(read_scalars(tmp_path / "b", "value"))[-1] <= 30 * increment


def test_several_iterators_end_with_the_first(tmp_path):
    def input_fn():
        one, two = (
            tf1.data.make_one_shot_iterator(tf.data.Dataset.range(n).map(float_of)).get_next()
            for n in (9, 12)
        )
        return {"one": one, "two": two}

    def float_of(number):
        return tf.cast(number, tf.float32)

    estimator = tpu_estimator.Estimator(seen_model_fn, str(tmp_path), params={"increment": 1})
    estimator.train(input_fn)
    assert estimator.get_variable_value("global_step") == 9
    assert estimator.get_variable_value("total") == 2 * sum(range(9))


@pytest.mark.parametrize("nan_at", [1, 2, 13])
def test_a_nan_stops_at_its_step(tmp_path, nan_at):
    def model_fn(features, labels, mode, params):
        step = tf1.train.get_global_step().read_value()
        bad = tf.cast(tf.where(step >= nan_at - 1, np.nan, 0.0), tf.float32)
        with tf.control_dependencies([bad]):  # read before this step adds to it
            spec = linear_model_fn(features, labels, mode, params)
        return spec._replace(loss=spec.loss + bad)

    with pytest.raises(tf1.train.NanLossDuringTrainingError, match="is NaN") as caught:
        train(tmp_path, model_fn, steps=40)
    assert caught.value.step == nan_at
    assert sorted(read_scalars(tmp_path, "loss")) == list(range(1, nan_at))


def failing_model_fn(features, labels, mode, params):
    spec = linear_model_fn(features, labels, mode, params)
    step = tf.cast(tf1.train.get_global_step().read_value(), tf.int32)
    with tf.control_dependencies([tf1.assert_less(step, 6, message="too far")]):
        return spec._replace(loss=tf.identity(spec.loss))


def test_an_op_that_fails_is_named_with_its_line(tmp_path):
    with pytest.raises(tf.errors.InvalidArgumentError, match="too far") as caught:
        train(tmp_path, failing_model_fn)
    assert "test_estimator_loop.py:" in str(caught.value)


def test_out_of_range_in_the_model_is_not_the_end_of_the_input(tmp_path):
    def model_fn(features, labels, mode, params):
        spec = linear_model_fn(features, labels, mode, params)
        bad = tf1.py_func(raise_out_of_range, [features["x"]], tf.float32)
        return spec._replace(loss=spec.loss + bad)

    with pytest.raises(RuntimeError, match="not the end of the data"):
        train(tmp_path, model_fn)


def raise_out_of_range(values):
    raise StopIteration


def test_a_step_that_must_be_fed_runs_alone(tmp_path, caplog):
    class Feeding(tf1.train.SessionRunHook):
        def before_run(self, run_context):
            return tf1.train.SessionRunArgs(None, {"scale:0": 1.0})

    def model_fn(features, labels, mode, params):
        scale = tf1.placeholder(tf.float32, [], name="scale")
        spec = linear_model_fn(features, labels, mode, params)
        return spec._replace(loss=spec.loss * scale)

    estimator = train(tmp_path, model_fn, [Feeding()], steps=2)
    assert estimator.get_variable_value("global_step") == 2
    caplog.set_level(logging.DEBUG, logger="tfx_tpu_estimator")
    with pytest.raises(tf.errors.InvalidArgumentError, match="scale"):
        train(tmp_path / "unfed", model_fn, steps=2)
    assert "Steps run one by one: `scale` must be fed" in caplog.text
