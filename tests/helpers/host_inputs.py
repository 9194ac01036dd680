"""Deploys input functions on made-up topologies and reads what the replicas would get."""

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.config.batch_size import resolve_batch_sizes
from tfx_tpu_estimator.config.input_pipeline import plan_input_calls
from tfx_tpu_estimator.config.topology import Topology
from tfx_tpu_estimator.config.tpu_config import InputPipelineConfig
from tfx_tpu_estimator.inputs.deployment import deploy_input
from tfx_tpu_estimator.inputs.host_stream import HostStream, plan_loops

tf1 = tf.compat.v1


def deploy(
    input_fn,
    *,
    pipeline=InputPipelineConfig.PER_HOST_V1,
    mode="train",
    batch_size=8,
    hosts=1,
    cores=2,
    params=None,
    **arguments,
):
    """A deployed input of host 0, or of `host`."""
    topology = Topology(num_hosts=hosts, cores_per_host=cores)
    return deploy_input(
        input_fn,
        mode=mode,
        params=params or {},
        config=None,
        plan=plan_input_calls(pipeline, topology),
        batch_sizes=resolve_batch_sizes(mode, batch_size, pipeline, topology),
        **arguments,
    )


def read_loops(deployed, loop_steps=2, steps=None, **arguments):
    """All loops of an input, in a list."""
    with HostStream(deployed, next_loop=plan_loops(loop_steps, steps), **arguments) as stream:
        return list(stream)


def join_steps(loops, tensor=0):
    """One tensor of all loops, [steps, replicas, ...]."""
    return np.concatenate([loop.batches[tensor] for loop in loops])


def make_range_input(count, *, drop_remainder=True, repeat=False):
    """An input_fn of the numbers 0 to count - 1 in order, features [batch], labels [batch, 1]."""

    def input_fn(params):
        data = tf.data.Dataset.range(count)
        data = data.repeat() if repeat else data
        data = data.batch(params["batch_size"], drop_remainder=drop_remainder)
        return data.map(lambda x: ({"x": x}, tf.cast(x[:, None], tf.float32)))

    return input_fn
