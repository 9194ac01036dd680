"""Lookups and updates of divided tables, against the same done in numpy over the whole table."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from helpers import devices  # noqa: F401

from tfx_tpu_estimator import (
    AdagradParameters,
    AdamParameters,
    FtrlParameters,
    StochasticGradientDescentParameters,
)
from tfx_tpu_estimator.execution.core_mesh import REPLICA_AXIS, make_mesh
from tfx_tpu_estimator.execution.embedding_layout import RowLayout
from tfx_tpu_estimator.execution.embedding_lookup import gather_lookups, look_up
from tfx_tpu_estimator.execution.embedding_update import update_table
from tfx_tpu_estimator.execution.pjrt import find_devices
from tfx_tpu_estimator.lowering.jax_compat import import_jax, shard_map

ROWS, DIMENSION, BATCH = 23, 3, 8
RNG = np.random.RandomState(0)
TABLE = RNG.randn(ROWS, DIMENSION).astype("float32")
IDS = RNG.randint(-1, ROWS, (BATCH, 3)).astype("int32")
IDS[0] = -1  # an example without ids
WEIGHTS = RNG.uniform(0.5, 2.0, IDS.shape).astype("float32")
OTHER_IDS = RNG.randint(0, 4, (BATCH, 1)).astype("int32")  # few rows, so that they occur often
GRADIENTS = RNG.randn(2, BATCH, DIMENSION).astype("float32")
RATE = 0.5


def gains_of(combiner):
    weights = np.where(IDS >= 0, WEIGHTS, 0)
    if combiner == "sum":
        return weights
    power = 2 if combiner == "sqrtn" else 1
    total = (weights**power).sum(axis=1, keepdims=True) ** (1 / power)
    return weights / np.maximum(total, 1e-9)


def run_step(optimizer, replicas, partition="div", combiner="mean", limit=None, wider=0):
    """Returns activations of both features, and table and slots after one update, whole."""
    ids = np.pad(IDS, [[0, 0], [0, wider]], constant_values=-1)
    weights = np.pad(WEIGHTS, [[0, 0], [0, wider]])
    jax = import_jax()
    layout = RowLayout(ROWS, replicas, partition)
    mesh = make_mesh(find_devices(num_shards=replicas).devices[:replicas], 1)

    def step(table, slots, ids, weights, other, first, second, shard):
        lookups = gather_lookups([(ids, weights), (other, None)], combiner, REPLICA_AXIS)
        activations = look_up(table, lookups, layout, shard[0], REPLICA_AXIS)
        gradients = jax.numpy.concatenate([first, second])
        return activations, *update_table(
            table, slots, lookups, gradients, layout=layout, optimizer=optimizer,
            rate=jax.numpy.float32(RATE), limit=limit, shard=shard[0], axis=REPLICA_AXIS,
        )  # fmt: skip

    divided = jax.sharding.PartitionSpec(REPLICA_AXIS)
    mapped = jax.jit(shard_map(step, mesh, in_specs=(divided,) * 8, out_specs=divided))
    table = np.concatenate([layout.cut(TABLE, i) for i in range(replicas)])
    slots = tuple(np.full_like(table, value) for _, value in optimizer.slots)
    shards = np.arange(replicas, dtype=np.int32)
    made = mapped(table, slots, ids, weights, OTHER_IDS, *GRADIENTS, shards)
    activations, table, slots = jax.tree_util.tree_map(np.asarray, made)

    def join(value):
        return layout.join(enumerate(np.split(value, replicas)), np.dtype("float32"))

    return activations, join(table), [join(slot) for slot in slots]


def list_gradients(combiner="mean"):
    """All (row, gradient) in the order of examples."""
    gains = gains_of(combiner)
    pairs = [
        (IDS[i, j], gains[i, j] * GRADIENTS[0, i])
        for i in range(BATCH)
        for j in range(3)
        if IDS[i, j] >= 0
    ]
    return pairs + [(OTHER_IDS[i, 0], GRADIENTS[1, i]) for i in range(BATCH)]


def sum_gradients():
    total = np.zeros_like(TABLE)
    for row, gradient in list_gradients():
        total[row] += gradient
    return total


@pytest.mark.parametrize("combiner", ["mean", "sum", "sqrtn"])
@pytest.mark.parametrize(("replicas", "partition"), [(1, "div"), (4, "mod"), (4, "div")])
def test_activations(replicas, partition, combiner):
    sgd = StochasticGradientDescentParameters(RATE)
    (first, second), _, _ = run_step(sgd, replicas, partition, combiner)
    wanted = (TABLE[np.maximum(IDS, 0)] * gains_of(combiner)[..., None]).sum(axis=1)
    np.testing.assert_allclose(first, wanted, atol=1e-5)
    assert not first[0].any()
    np.testing.assert_allclose(second, TABLE[OTHER_IDS[:, 0]], atol=1e-6)


def update_by_hand(optimizer):
    """The formulas of the classes, over all rows; those without a gradient stay."""
    g, w = sum_gradients(), TABLE.copy()
    touched = np.zeros(ROWS, bool)
    touched[[row for row, _ in list_gradients()]] = True
    if optimizer.clip_gradient_max is not None:
        g = np.minimum(g, optimizer.clip_gradient_max)
    if optimizer.weight_decay_factor:
        by_rate = optimizer.multiply_weight_decay_factor_by_learning_rate
        w = w * (1 - optimizer.weight_decay_factor * (RATE if by_rate else 1))
    slots = [np.full_like(w, value) for _, value in optimizer.slots]
    if isinstance(optimizer, AdagradParameters):
        slots = [slots[0] + g * g]
        w = w - RATE * g / np.sqrt(slots[0])
    elif isinstance(optimizer, AdamParameters):
        slots = [(1 - optimizer.beta1) * g, (1 - optimizer.beta2) * g * g]
        root = np.sqrt(slots[1] + optimizer.epsilon**2)
        if not optimizer.sum_inside_sqrt:
            root = np.sqrt(slots[1]) + optimizer.epsilon
        w = w - RATE * slots[0] / root
        if not optimizer.lazy_adam:
            touched[:] = True
    elif isinstance(optimizer, FtrlParameters):
        w, slots = ftrl_by_hand(optimizer, g, w, slots)
    else:
        w = w - RATE * g
    if optimizer.clip_weight_max is not None:
        w = np.minimum(w, optimizer.clip_weight_max)
    kept = zip([w, *slots], [TABLE, *[np.float32(v) for _, v in optimizer.slots]], strict=True)
    return [np.where(touched[:, None], new, old) for new, old in kept]


def ftrl_by_hand(optimizer, g, w, slots):
    accumulator, linear = slots
    power = -optimizer.learning_rate_power
    grown = accumulator + g * g
    linear = linear + g - (grown**power - accumulator**power) / RATE * w
    l1, l2 = optimizer.l1_regularization_strength, optimizer.l2_regularization_strength
    quadratic = (grown**power + optimizer.beta) / RATE + 2 * l2
    w = np.where(np.abs(linear) > l1, (np.sign(linear) * l1 - linear) / quadratic, 0)
    return w, [grown, linear]


CASES = [
    StochasticGradientDescentParameters(RATE),
    StochasticGradientDescentParameters(RATE, weight_decay_factor=0.1, clip_weight_max=0.2),
    AdagradParameters(RATE),
    AdagradParameters(
        RATE,
        clip_gradient_max=0.3,
        weight_decay_factor=0.1,
        multiply_weight_decay_factor_by_learning_rate=True,
    ),
    AdamParameters(RATE, epsilon=0.1),
    AdamParameters(RATE, epsilon=0.1, sum_inside_sqrt=False),
    AdamParameters(RATE, epsilon=0.1, lazy_adam=False, clip_gradient_max=0.2),
    FtrlParameters(RATE),
    FtrlParameters(
        RATE, -0.6, l1_regularization_strength=0.1, l2_regularization_strength=0.2, beta=0.3
    ),
]


@pytest.mark.parametrize("optimizer", CASES, ids=lambda o: type(o).__name__)
def test_updates_of_whole_tables(optimizer):
    _, table, slots = run_step(optimizer, 4, "mod")
    wanted = update_by_hand(optimizer)
    for found, value in zip([table, *slots], wanted, strict=True):
        np.testing.assert_allclose(found, value, atol=1e-5, rtol=1e-5)


def test_the_number_of_replicas_makes_no_difference():
    optimizer = AdamParameters(RATE, epsilon=0.1)
    one = run_step(optimizer, 1)
    for replicas, partition in [(2, "div"), (8, "mod")]:
        found = run_step(optimizer, replicas, partition)
        np.testing.assert_allclose(found[1], one[1], atol=1e-5)
        np.testing.assert_allclose(found[2], one[2], atol=1e-5)


def test_the_width_of_rows_makes_no_difference_at_all():
    # A run that goes on after an interruption may see rows of another width.
    narrow, wide = run_step(CASES[2], 2), run_step(CASES[2], 2, wider=13)
    np.testing.assert_array_equal(narrow[0][0], wide[0][0])
    np.testing.assert_array_equal(narrow[1], wide[1])
    np.testing.assert_array_equal(narrow[2], wide[2])


def test_linear_slot_times_the_learning_rate():
    plain = FtrlParameters(RATE, l1_regularization_strength=0.1, beta=0.2)
    scaled = dataclasses.replace(plain, multiply_linear_by_learning_rate=True)
    first, second = run_step(plain, 2), run_step(scaled, 2)
    np.testing.assert_allclose(first[1], second[1], atol=1e-5)
    np.testing.assert_allclose(first[2][1] * RATE, second[2][1], atol=1e-5)


@pytest.mark.parametrize("optimizer", [AdagradParameters(RATE), AdamParameters(RATE)])
def test_gradients_that_are_not_summed_are_applied_one_by_one(optimizer):
    alone = dataclasses.replace(optimizer, use_gradient_accumulation=False)
    _, table, _ = run_step(alone, 1)
    w = TABLE.copy()
    slots = [np.full_like(w, value) for _, value in optimizer.slots]
    for row, g in list_gradients():
        if isinstance(optimizer, AdagradParameters):
            slots[0][row] += g * g
            w[row] -= RATE * g / np.sqrt(slots[0][row])
        else:
            slots[0][row] = 0.9 * slots[0][row] + 0.1 * g
            slots[1][row] = 0.999 * slots[1][row] + 0.001 * g * g
            w[row] -= RATE * slots[0][row] / np.sqrt(slots[1][row] + 1e-16)
    np.testing.assert_allclose(table, w, atol=1e-4, rtol=1e-4)
    summed = run_step(optimizer, 1)[1]
    assert not np.allclose(table, summed, atol=1e-3)


def test_limit_of_gradients():
    _, table, _ = run_step(StochasticGradientDescentParameters(RATE), 2, limit=0.1)
    wanted = TABLE - RATE * np.clip(sum_gradients(), -0.1, 0.1)
    np.testing.assert_allclose(table, wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("optimizer", "of_tensorflow"),
    [
        (AdagradParameters(RATE), tf.compat.v1.train.AdagradOptimizer(RATE)),
        (
            FtrlParameters(RATE, l1_regularization_strength=0.1, l2_regularization_strength=0.05),
            tf.compat.v1.train.FtrlOptimizer(
                RATE, l1_regularization_strength=0.1, l2_regularization_strength=0.05
            ),
        ),
        (
            StochasticGradientDescentParameters(RATE),
            tf.compat.v1.train.GradientDescentOptimizer(RATE),
        ),
    ],
    ids=lambda o: type(o).__name__,
)
def test_updates_are_those_of_tensorflow(optimizer, of_tensorflow):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variable = tf.Variable(TABLE)
        rows, values = zip(*list_gradients(), strict=True)
        gradient = tf.IndexedSlices(tf.constant(np.array(values)), tf.constant(rows), [ROWS, 3])
        update = of_tensorflow.apply_gradients([(gradient, variable)])
        session.run(tf.compat.v1.global_variables_initializer())
        session.run(update)
        wanted = session.run(variable)
    np.testing.assert_allclose(run_step(optimizer, 4)[1], wanted, atol=1e-5)
