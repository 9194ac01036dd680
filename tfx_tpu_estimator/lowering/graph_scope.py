"""The graph in which a model is built: seeded, with resource variables."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import tensorflow as tf

from tfx_tpu_estimator.lowering.model_fn import resource_variables


@contextlib.contextmanager
def seeded_python_random(seed: int | None) -> Iterator[None]:
    """Seeds Python's `random` inside the block and puts its state back afterwards.

    The initialisers of `tf.compat.v1.layers` draw their seeds from it and do not look at the
    graph's seed, so that without this two runs with one seed would start from different weights.
    """
    if seed is None:
        yield
        return
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


@contextlib.contextmanager
def seeded_graph(seed: int | None) -> Iterator[tf.Graph]:
    """Makes a new default graph with the run's seed, in which models are built.

    Ops may be placed on TPU cores (`tpu.core`, names that a device assignment gives): a session on
    the host would not know these devices, and the compiler divides a program on several cores.
    """
    with tf.Graph().as_default() as graph, tf.compat.v1.device(_leave_tpu_core):
        tf.compat.v1.set_random_seed(seed)
        with seeded_python_random(seed), resource_variables():
            yield graph


def _leave_tpu_core(op: tf.Operation) -> str:
    """Returns where an op is placed, or nothing where that is a core of a TPU."""
    return "" if "TPU" in op.device.upper() else op.device
