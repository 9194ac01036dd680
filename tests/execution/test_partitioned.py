"""Several cores per replica: the numbers of one core, from a program that really is divided."""

import functools
import re

import numpy as np
import pytest
import tensorflow as tf
from helpers.lowered import as_model_fn, initial_values, run, trace

from tfx_tpu_estimator.execution.executable import Executable
from tfx_tpu_estimator.execution.pjrt import find_devices
from tfx_tpu_estimator.lowering.hlo import lower_model
from tfx_tpu_estimator.specs import ModeKeys, TPUEstimatorSpec

tf1 = tf.compat.v1
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=[8, 16, 12, 3]).astype("float32")
LABELS = RNG.integers(0, 4, [8]).astype("int32")
STEPS = 3
ROWS = (1, 2, 1, 1)
# Replicas, cores of each, and how these share images and labels.
LAYOUTS = [
    (1, 2, (1, 1, 2, 1), None),
    (2, 2, ROWS, None),
    (2, 4, (1, 2, 2, 1), (4,)),
    (1, 8, (1, 8, 1, 1), (8,)),
    (4, 2, (2, 1, 1, 1), (2,)),
    # Three channels for four cores, of which one has nothing but padding.
    (2, 4, (1, 1, 1, 4), None),
]


def model_fn(features, labels, mode, params):
    """A convolutional network with batch norm, dropout and pooling."""
    training = mode == ModeKeys.TRAIN
    x = tf1.layers.conv2d(features["image"], 8, 3, padding="same", activation=tf.nn.relu)
    x = tf1.layers.batch_normalization(x, training=training)
    x = tf.nn.dropout(x, rate=0.2) if training else x
    x = tf1.layers.max_pooling2d(x, 2, 2)
    x = tf1.layers.conv2d(x, 8, 3, strides=2, padding="same", activation=tf.nn.relu)
    logits = tf1.layers.dense(tf.reduce_mean(x, [1, 2]), 4)
    if mode == ModeKeys.PREDICT:
        return TPUEstimatorSpec(mode, predictions={"logits": logits, "image": features["image"]})
    loss = tf1.losses.sparse_softmax_cross_entropy(labels, logits)
    optimizer = tf1.tpu.CrossShardOptimizer(tf1.train.MomentumOptimizer(0.1, 0.9))
    with tf.control_dependencies(tf1.get_collection(tf1.GraphKeys.UPDATE_OPS)):
        train_op = optimizer.minimize(loss, tf1.train.get_global_step())
    return TPUEstimatorSpec(mode, loss=loss, train_op=train_op)


@functools.cache
def lowered(replicas, mode=ModeKeys.TRAIN):
    labels = LABELS if mode == ModeKeys.TRAIN else None
    traced = trace(model_fn, {"image": IMAGES}, labels, mode=mode, replicas=replicas)
    return lower_model(traced), initial_values(traced)


@functools.cache
def make_executable(replicas, cores, *partitions, mode=ModeKeys.TRAIN):
    devices = find_devices(num_shards=8).devices[: replicas * cores]
    return Executable(
        lowered(replicas, mode)[0], devices, cores_per_replica=cores, partitions=partitions or None
    )


@functools.cache
def train(replicas, cores, *partitions, loop=True):
    """Variables, and losses [steps, replicas]."""
    program, values = lowered(replicas)
    executable = make_executable(replicas, cores, *partitions)
    state, outputs = run(
        program, values, {"image": IMAGES}, LABELS, steps=STEPS, loop=loop, executable=executable
    )
    return state, outputs["loss"]


def count_bytes(replicas, cores, *partitions):
    """Bytes of the arguments of one core."""
    loop = make_executable(replicas, cores, *partitions).compile(STEPS)
    return loop.memory_analysis().argument_size_in_bytes


def list_convolutions(loop):
    """The shapes of what the convolutions of a core compute."""
    found = re.findall(r"= f32\[([\d,]+)\]\S* convolution\(", loop.as_text())
    return [tuple(map(int, shape.split(","))) for shape in found]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_training_gives_the_numbers_of_one_core_per_replica(layout):
    state, losses = train(*layout)
    expected, expected_losses = train(layout[0], 1)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
    assert state["global_step"] == STEPS
    for name, value in expected.items():
        np.testing.assert_allclose(state[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def test_a_core_computes_its_part_and_gets_the_border_from_its_neighbour():
    whole = make_executable(2, 1).compile(STEPS)
    divided = make_executable(2, 2, ROWS, None).compile(STEPS)
    assert (4, 16, 12, 8) in list_convolutions(whole)
    assert (4, 8, 12, 8) in list_convolutions(divided)
    assert (4, 16, 12, 8) not in list_convolutions(divided)
    assert "collective-permute(" not in whole.as_text()
    assert "collective-permute(" in divided.as_text()


@pytest.mark.parametrize("layout", LAYOUTS[1:4], ids=str)
def test_a_core_holds_its_part_of_the_input_and_all_variables(layout):
    replicas, cores, _, label = layout
    executable = make_executable(*layout)
    images = np.stack([IMAGES] * STEPS)
    placed, _ = executable.place_batches([images, np.stack([LABELS] * STEPS)])
    assert {shard.data.nbytes for shard in placed.addressable_shards} == {
        images.nbytes // replicas // cores
    }
    labels = STEPS * LABELS.nbytes // replicas
    saved = images.nbytes // replicas * (cores - 1) // cores
    saved += labels * (cores - 1) // cores if label else 0
    assert count_bytes(*layout) == pytest.approx(count_bytes(replicas, 1) - saved, abs=64)


def test_an_input_without_partitions_is_whole_on_every_core():
    _, losses = train(2, 2)
    np.testing.assert_array_equal(losses, train(2, 1)[1])
    assert count_bytes(2, 2) == count_bytes(2, 1)


@pytest.mark.parametrize("cut", [(1, 2, 2, 1), (1, 4, 2, 1)])
def test_the_gradient_of_a_kernel_before_a_dense_layer(cut):
    """XLA's partitioner got it wrong, without any error, where it chose the cuts itself."""

    def build(image):
        x = tf1.layers.flatten(tf1.layers.conv2d(image, 4, 3, padding="same"))
        loss = tf.reduce_mean(tf.square(tf1.layers.dense(x, 4)))
        optimizer = tf1.tpu.CrossShardOptimizer(tf1.train.GradientDescentOptimizer(0.1))
        return [loss], optimizer.minimize(loss, tf1.train.get_global_step())

    images = RNG.normal(size=[8, 16, 16, 3]).astype("float32")
    traced = trace(as_model_fn(build), (images,))
    program, values = lower_model(traced), initial_values(traced)
    cores = int(np.prod(cut))
    devices = find_devices(num_shards=8).devices[:cores]
    divided = Executable(program, devices, cores_per_replica=cores, partitions=[cut])
    state, _ = run(program, values, (images,), executable=divided)
    expected, _ = run(program, values, (images,))
    for name, value in expected.items():
        np.testing.assert_allclose(state[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def test_a_loop_of_steps_is_bit_equal_to_steps_one_by_one():
    looped, in_loop = train(*LAYOUTS[1])
    single, one_by_one = train(*LAYOUTS[1], loop=False)
    np.testing.assert_array_equal(in_loop, one_by_one)
    for name, value in looped.items():
        np.testing.assert_array_equal(single[name], value, err_msg=name)


def test_all_cores_of_a_replica_hold_the_same_variables():
    executable = make_executable(*LAYOUTS[1])
    _, values = lowered(2)
    batches = executable.place_batches([IMAGES[np.newaxis], LABELS[np.newaxis]])
    state, outputs = executable.run(executable.place_state(values), 0, batches)
    for value in state.values():
        shards = [np.asarray(shard.data) for shard in value.addressable_shards]
        # The moving averages of batch norm are each replica's own.
        for first, second in (shards[:2], shards[2:]):
            np.testing.assert_array_equal(first, second)
    by_replica = [shard.index[1].start for shard in outputs["loss"].addressable_shards]
    assert by_replica == [0, 0, 1, 1]


@pytest.mark.parametrize("partitions", [ROWS, (1, 1, 1, 2), None])
def test_outputs_are_whole_and_in_the_order_of_the_replicas(partitions):
    program, values = lowered(2, ModeKeys.PREDICT)
    executable = make_executable(2, 2, partitions, mode=ModeKeys.PREDICT)
    _, outputs = run(program, values, {"image": IMAGES}, executable=executable)
    np.testing.assert_array_equal(outputs["predictions/image"].reshape(IMAGES.shape), IMAGES)
    _, expected = run(
        program,
        values,
        {"image": IMAGES},
        executable=make_executable(2, 1, mode=ModeKeys.PREDICT),
    )
    logits = expected["predictions/logits"]
    np.testing.assert_allclose(outputs["predictions/logits"], logits, rtol=1e-5, atol=1e-6)


def test_devices_must_be_as_many_as_the_cores_of_all_replicas():
    program, _ = lowered(2)
    devices = find_devices(num_shards=8).devices
    with pytest.raises(ValueError, match="2 replicas of 2 cores each needs as many devices; got 8"):
        Executable(program, devices, cores_per_replica=2)
