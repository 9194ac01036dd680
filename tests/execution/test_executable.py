"""Programs on virtual devices: what replicas, loops and seeds may and may not change."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from helpers.lowered import initial_values, make_executable, run, run_on_host, trace

from tfx_tpu_estimator.execution import state as state_module
from tfx_tpu_estimator.execution.executable import Executable
from tfx_tpu_estimator.execution.pjrt import find_devices
from tfx_tpu_estimator.lowering.hlo import lower_model
from tfx_tpu_estimator.specs import ModeKeys, TPUEstimatorSpec

tf1 = tf.compat.v1
RNG = np.random.default_rng(0)
X = RNG.normal(size=[16, 4]).astype("float32")
Y = X.sum(axis=1, keepdims=True)
REPLICAS = [1, 2, 4, 8]
OPTIMIZERS = {
    "sgd": lambda: tf1.train.GradientDescentOptimizer(0.1),
    "momentum": lambda: tf1.train.MomentumOptimizer(0.1, 0.9),
    "adam": lambda: tf1.train.AdamOptimizer(0.01),
}


def model_fn(features, labels, mode, params):
    """A small network; `rate` drops out, `optimizer` trains."""
    hidden = tf1.layers.dense(features["x"], 8, tf.nn.relu, name="hidden")
    if params.get("rate"):
        hidden = tf.nn.dropout(hidden, params["rate"])
    prediction = tf1.layers.dense(hidden, 1, name="out")
    if mode == ModeKeys.PREDICT:
        return TPUEstimatorSpec(mode, predictions={"y": prediction, "x": features["x"]})
    loss = tf.reduce_mean(tf.square(prediction - labels))
    if mode == ModeKeys.EVAL:
        return TPUEstimatorSpec(mode, loss=loss, eval_metrics=(metric_fn, [prediction, labels]))
    optimizer = tf1.tpu.CrossShardOptimizer(OPTIMIZERS[params.get("optimizer", "sgd")]())
    train_op = optimizer.minimize(loss, tf1.train.get_global_step())
    step = tf.reshape(tf1.train.get_global_step(), [1])
    host_call = (lambda *a: a, [step, hidden])
    return TPUEstimatorSpec(mode, loss=loss, train_op=train_op, host_call=host_call)


def metric_fn(prediction, labels):
    return {"error": tf1.metrics.mean_squared_error(labels, prediction)}


@functools.cache
def lowered(mode=ModeKeys.TRAIN, replicas=1, **params):
    traced = trace(model_fn, {"x": X}, Y, mode=mode, replicas=replicas, params=params)
    program = lower_model(traced)
    return program, initial_values(traced), make_executable(program)


def run_model(mode=ModeKeys.TRAIN, replicas=1, steps=1, loop=True, start=0, **params):
    program, values, executable = lowered(mode, replicas, **params)
    return run(program, values, {"x": X}, Y, steps=steps, loop=loop, start=start,
               executable=executable)  # fmt: skip


def assert_equal_states(left, right):
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_any_number_of_replicas_trains_as_one(optimizer):
    expected, one = run_model(replicas=1, steps=5, optimizer=optimizer)
    for replicas in REPLICAS[1:]:
        state, outputs = run_model(replicas=replicas, steps=5, optimizer=optimizer)
        assert outputs["loss"].shape == (5, replicas)
        np.testing.assert_allclose(outputs["loss"].mean(axis=1), one["loss"][:, 0], rtol=1e-5)
        assert state["global_step"] == 5
        for name, value in expected.items():
            np.testing.assert_allclose(state[name], value, rtol=1e-5, atol=1e-7, err_msg=name)


def test_one_replica_trains_as_a_session_does():
    _, values, _ = lowered(optimizer="momentum")

    def build(x, y):
        spec = model_fn({"x": x}, y, ModeKeys.TRAIN, {"optimizer": "momentum"})
        return [spec.loss], spec.train_op

    expected, (loss,) = run_on_host(build, [X, Y], values)
    state, outputs = run_model(optimizer="momentum")
    np.testing.assert_allclose(outputs["loss"][0, 0], loss, rtol=1e-6)
    for name, value in expected.items():
        np.testing.assert_allclose(state[name], value, rtol=1e-5, atol=1e-7, err_msg=name)


def test_a_loop_of_steps_is_bit_equal_to_steps_one_by_one():
    looped, in_loop = run_model(replicas=4, steps=6, optimizer="adam", rate=0.5)
    single, one_by_one = run_model(replicas=4, steps=6, optimizer="adam", rate=0.5, loop=False)
    assert_equal_states(looped, single)
    assert_equal_states(in_loop, one_by_one)


def test_dropout_is_bit_identical_in_two_runs_and_in_two_traces():
    first, _ = run_model(replicas=4, steps=6, optimizer="adam", rate=0.5)
    second, _ = run_model(replicas=4, steps=6, optimizer="adam", rate=0.5)
    assert_equal_states(first, second)
    traced = trace(model_fn, {"x": X}, Y, replicas=4, params={"optimizer": "adam", "rate": 0.5})
    program = lower_model(traced)
    assert program.digest == lowered(ModeKeys.TRAIN, 4, optimizer="adam", rate=0.5)[0].digest
    third, _ = run(program, initial_values(traced), {"x": X}, Y, steps=6)
    assert_equal_states(first, third)


def test_replicas_and_steps_draw_different_numbers():
    _, outputs = run_model(replicas=4, steps=3, rate=0.5)
    hidden = outputs["host_call/1"] != 0  # [steps, replicas, batch, 8]
    patterns = {pattern.tobytes() for pattern in hidden.reshape(12, -1)}
    assert len(patterns) == 12
    _, later = run_model(replicas=4, steps=1, start=1, rate=0.5)
    assert (later["host_call/1"] != 0).tobytes() != hidden[:1].tobytes()


def test_host_call_sees_the_step_before_the_update():
    state, outputs = run_model(replicas=2, steps=4)
    np.testing.assert_array_equal(outputs["host_call/0"][:, :, 0], [[0, 0], [1, 1], [2, 2], [3, 3]])
    assert state["global_step"] == 4
    assert state["global_step"].dtype == np.int64


@pytest.mark.parametrize("replicas", REPLICAS)
def test_evaluation_outputs_come_in_the_order_of_the_replicas(replicas):
    program, values, _ = lowered(ModeKeys.EVAL, replicas)
    assert not program.updated_state
    state, outputs = run_model(ModeKeys.EVAL, replicas)
    labels = outputs["eval_metrics/1"]
    assert labels.shape == (1, replicas, 16 // replicas, 1)
    np.testing.assert_array_equal(labels.reshape(16, 1), Y)
    _, one = run_model(ModeKeys.EVAL, 1)
    np.testing.assert_allclose(
        outputs["eval_metrics/0"].reshape(16), one["eval_metrics/0"].reshape(16), rtol=1e-5
    )
    assert "global_step" not in state
    np.testing.assert_array_equal(state["hidden/kernel"], values["hidden/kernel"])


@pytest.mark.parametrize("replicas", [1, 8])
def test_prediction_outputs(replicas):
    _, outputs = run_model(ModeKeys.PREDICT, replicas, steps=2)
    assert list(outputs) == ["predictions/y", "predictions/x"]
    np.testing.assert_array_equal(outputs["predictions/x"].reshape(2, 16, 4)[1], X)


@pytest.mark.parametrize("large", [0, 2**24])
def test_updated_state_is_consumed_and_the_rest_is_not(large, monkeypatch):
    monkeypatch.setattr(state_module, "_LARGE", large)
    program, values, executable = lowered(replicas=2)
    assert {v.name for v in program.state} == {v.name for v in program.updated_state}
    host = {name: value.copy() for name, value in values.items()}
    state = executable.place_state(values)
    batches = executable.place_batches([X[None], Y[None]])
    new, _ = executable.run(state, 0, batches)
    new, _ = executable.run(new, 1, batches)
    assert state["hidden/kernel"].is_deleted()
    assert int(new["global_step"]) == 2
    assert_equal_states(values, host)


def test_a_loop_is_compiled_once_for_its_length():
    program, values, _ = lowered(replicas=2)
    executable = make_executable(program)
    for steps in (2, 3, 2):
        run(program, values, {"x": X}, Y, steps=steps, executable=executable)
    assert sorted(executable.compile_seconds) == [2, 3]
    assert executable.compile(2).memory_analysis() is not None


def test_many_steps_that_nobody_waits_for():
    _, values, executable = lowered(replicas=8)
    state = executable.place_state(values)
    batches = executable.place_batches([X[None], Y[None]])
    for step in range(300):
        state, _ = executable.run(state, step, batches)
    assert int(state["global_step"]) == 300


def test_the_same_batch_for_every_replica():
    program, values, _ = lowered(replicas=2)
    devices = find_devices(num_shards=2).devices
    executable = Executable(program, devices, broadcast=True)
    batches = executable.place_batches([X[None, :8], Y[None, :8]])
    _, outputs = executable.run(executable.place_state(values), 0, batches)
    loss = np.asarray(outputs["loss"])
    assert loss[0, 0] == loss[0, 1]


def test_scalar_inputs_and_no_inputs():
    def with_scalar(features, labels, mode, params):
        return TPUEstimatorSpec(mode, predictions={"y": features["x"] * features["scale"]})

    traced = trace(with_scalar, {"x": X, "scale": np.float32(2)}, mode=ModeKeys.PREDICT, replicas=2)
    executable = make_executable(lower_model(traced))
    scales = np.array([[2.0, 3.0]], "float32")
    _, outputs = executable.run({}, 0, executable.place_batches([scales, X[None]]))
    expected = X * np.repeat([2.0, 3.0], 8)[:, None]
    np.testing.assert_allclose(np.asarray(outputs["predictions/y"]).reshape(16, 4), expected)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda v: v.pop("hidden/bias"), KeyError, "lacks the variables .*hidden/bias"),
        (lambda v: v.update({"out/kernel": np.zeros([3, 1], "float32")}), ValueError,
         r"`out/kernel` has shape \[3, 1\] and dtype float32, but the model's has \[8, 1\]"),
        (lambda v: v.update({"out/bias": np.zeros([1])}), ValueError, "dtype float64"),
    ],
)  # fmt: skip
def test_state_that_does_not_fit(change, error, message):
    _, values, executable = lowered()
    values = dict(values)
    change(values)
    with pytest.raises(error, match=message):
        executable.place_state(values)


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        (
            [X[None, :6], Y[None]],
            r"`features/x` must have shape \[steps, 16, 4\].* got \[1, 6, 4",
        ),
        ([X[None], Y[None].astype("float64")], "`labels` .* dtype float32; got .* float64"),
    ],
)
def test_batches_that_do_not_fit(batches, message):
    _, _, executable = lowered(replicas=2)
    with pytest.raises(ValueError, match=message):
        executable.place_batches(batches)


def test_replicas_and_devices_must_be_as_many():
    program, _, _ = lowered(replicas=2)
    with pytest.raises(ValueError, match="program of 2 replicas needs as many devices; got 4"):
        Executable(program, find_devices(num_shards=4).devices)


def test_state_that_replicas_do_not_share_is_read_from_the_first():
    def counting(features, labels, mode, params):
        count = tf1.get_variable("count", [], initializer=tf1.zeros_initializer(), trainable=False)
        weight = tf1.get_variable("weight", [], initializer=tf1.ones_initializer())
        loss = weight * tf.reduce_sum(features)
        optimizer = tf1.tpu.CrossShardOptimizer(tf1.train.GradientDescentOptimizer(0.1))
        train_op = optimizer.minimize(loss, tf1.train.get_global_step())
        train_op = tf.group(train_op, count.assign_add(features[0]))
        return TPUEstimatorSpec(mode, loss=loss, train_op=train_op)

    x = np.arange(4, dtype="float32") + 1
    traced = trace(counting, x, replicas=4)
    state, _ = run(lower_model(traced), initial_values(traced), x, steps=3)
    assert state["count"] == 3.0
    np.testing.assert_allclose(state["weight"], 1 - 3 * 0.1 * x.mean(), rtol=1e-5)
