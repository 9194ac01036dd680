"""The background input and a compiled program together: what a training loop does with both."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from helpers.host_inputs import deploy
from helpers.lowered import initial_values, make_executable

from tfx_tpu_estimator.config.tpu_config import InputPipelineConfig as Pipeline
from tfx_tpu_estimator.execution.executable import Executable
from tfx_tpu_estimator.execution.pjrt import find_devices
from tfx_tpu_estimator.execution.state import read_state
from tfx_tpu_estimator.inputs.host_stream import HostStream, plan_loops
from tfx_tpu_estimator.inputs.sharding import merge_replicas
from tfx_tpu_estimator.lowering.hlo import lower_model
from tfx_tpu_estimator.lowering.trace import trace_model
from tfx_tpu_estimator.modes import ModeKeys
from tfx_tpu_estimator.specs import TPUEstimatorSpec

tf1 = tf.compat.v1
X = np.random.default_rng(0).normal(size=[48, 4]).astype("float32")
Y = X.sum(axis=1, keepdims=True)
REPLICAS = 4


def model_fn(features, labels, mode, params):
    """A linear model that sees each example exactly."""
    prediction = tf1.layers.dense(features["x"], 1, name="out")
    if mode == ModeKeys.PREDICT:
        return TPUEstimatorSpec(mode, predictions={"x": features["x"] * 1.0})
    loss = tf.reduce_mean(tf.square(prediction - labels))
    optimizer = tf1.tpu.CrossShardOptimizer(tf1.train.MomentumOptimizer(0.05, 0.9))
    return TPUEstimatorSpec(
        mode, loss=loss, train_op=optimizer.minimize(loss, tf1.train.get_global_step())
    )


def shuffled_input_fn(params):
    data = tf.data.Dataset.from_tensor_slices(({"x": X}, Y)).shuffle(48, seed=2).repeat()
    return data.batch(params["batch_size"], drop_remainder=True)


def ordered_input_fn(params):
    data = tf.data.Dataset.from_tensor_slices(({"x": X}, Y)).repeat()
    return data.batch(params["batch_size"], drop_remainder=True)


def partial_input_fn(params):
    return tf.data.Dataset.from_tensor_slices(({"x": X[:13]}, Y[:13])).batch(params["batch_size"])


@functools.cache
def compiled(size, mode=ModeKeys.TRAIN, broadcast=False):
    """An executable for batches of `size` per replica, and initial values."""
    labels = tf.TensorSpec([size, 1]) if mode == ModeKeys.TRAIN else None
    traced = trace_model(
        model_fn,
        features={"x": tf.TensorSpec([size, 4])},
        labels=labels,
        mode=mode,
        params={},
        config=None,
        num_replicas=REPLICAS,
        seed=1,
    )
    program = lower_model(traced)
    values = initial_values(traced)
    if not broadcast:
        return make_executable(program), values
    devices = find_devices(num_shards=REPLICAS).devices
    return Executable(program, devices, broadcast=True), values


def train(deployed, values, step, steps, *, size=2, broadcast=False):
    """Trains `steps` steps in loops of 3; returns variables and the last position."""
    executable, _ = compiled(size, broadcast=broadcast)
    state = executable.place_state(values)
    stream = HostStream(
        deployed,
        next_loop=plan_loops(3, steps),
        place=lambda arrays: executable.place_batches(merge_replicas(arrays)),
    )
    with stream:
        for loop in stream:
            state, _ = executable.run(state, step, loop.batches)
            step += loop.steps
    return read_state(state), loop.position


@pytest.mark.parametrize("pipeline", [Pipeline.PER_HOST_V1, Pipeline.PER_HOST_V2])
def test_input_modes_train_alike(pipeline):
    _, values = compiled(2)
    expected, _ = train(deploy(ordered_input_fn, cores=REPLICAS), values, 0, 7)
    found, _ = train(deploy(ordered_input_fn, pipeline=pipeline, cores=REPLICAS), values, 0, 7)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])
    assert found["global_step"] == 7


def test_broadcast_gives_every_replica_the_whole_batch():
    _, values = compiled(8, broadcast=True)
    deployed = deploy(ordered_input_fn, pipeline=Pipeline.BROADCAST, cores=REPLICAS)
    found, _ = train(deployed, values, 0, 7, size=8, broadcast=True)
    expected, _ = train(deploy(ordered_input_fn, cores=REPLICAS), values, 0, 7)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("pipeline", [Pipeline.PER_HOST_V1, Pipeline.PER_HOST_V2])
def test_stopping_and_going_on_changes_no_bit(pipeline):
    _, values = compiled(2)
    start = functools.partial(deploy, shuffled_input_fn, pipeline=pipeline, cores=REPLICAS)
    expected, _ = train(start(), values, 0, 11)
    middle, position = train(start(), values, 0, 4)
    found, _ = train(start(position=position), middle, 4, 7)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize("pipeline", [Pipeline.PER_HOST_V1, Pipeline.PER_HOST_V2])
def test_predictions_are_those_of_the_real_examples_in_order(pipeline):
    executable, values = compiled(2, ModeKeys.PREDICT)
    state = executable.place_state(values)
    deployed = deploy(partial_input_fn, pipeline=pipeline, mode="infer", cores=REPLICAS)
    rows = []
    stream = HostStream(
        deployed,
        next_loop=plan_loops(1),
        place=lambda arrays: executable.place_batches(merge_replicas(arrays)),
    )
    with stream:
        for loop in stream:
            state, outputs = executable.run(state, 0, loop.batches)
            (output,) = (np.asarray(o) for name, o in outputs.items() if name.endswith("x"))
            # [K, replicas, examples, ...], as the mask is.
            rows.append(output[loop.valid])
    np.testing.assert_array_equal(np.concatenate(rows), X[:13])
