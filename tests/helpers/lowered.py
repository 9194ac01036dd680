"""Traces, lowers and runs small models on virtual devices, and on the host to compare with."""

import numpy as np
import tensorflow as tf
from helpers import devices  # noqa: F401

from tfx_tpu_estimator.execution.executable import Executable
from tfx_tpu_estimator.execution.pjrt import find_devices
from tfx_tpu_estimator.execution.state import gather_outputs, read_state
from tfx_tpu_estimator.lowering.hlo import lower_model
from tfx_tpu_estimator.lowering.model_fn import resource_variables
from tfx_tpu_estimator.lowering.tf_internals import single_replica
from tfx_tpu_estimator.lowering.trace import trace_model
from tfx_tpu_estimator.specs import ModeKeys, TPUEstimatorSpec

tf1 = tf.compat.v1


def specs_of(nested, replicas=1):
    """TensorSpecs of one replica's share of arrays that are batch-major."""

    def spec(array):
        array = np.asarray(array)
        first = (array.shape[0] // replicas,) if array.ndim else ()
        return tf.TensorSpec(first + array.shape[1:], array.dtype)

    return None if nested is None else tf.nest.map_structure(spec, nested)


def trace(model_fn, features, labels=None, *, mode=ModeKeys.TRAIN, replicas=1, seed=1, params=None):
    """Traces a model_fn for arrays of the global batch."""
    return trace_model(
        model_fn,
        features=specs_of(features, replicas),
        labels=specs_of(labels, replicas),
        mode=mode,
        params=params or {},
        config=None,
        num_replicas=replicas,
        seed=seed,
    )


def initial_values(traced):
    """Initial values of all variables of a traced model, by name."""
    with traced.graph.as_default(), tf1.Session() as session:
        session.run([tf1.global_variables_initializer(), tf1.local_variables_initializer()])
        return session.run({v.op.name: v for v in traced.variables})


def make_executable(program):
    return Executable(program, find_devices(num_shards=program.num_replicas).devices)


def run(program, values, features, labels=None, *, steps=1, start=0, loop=True, executable=None):
    """Runs steps over one batch; returns variables and outputs [steps, replicas, ...] as numpy."""
    executable = executable or make_executable(program)
    flat = [np.asarray(a) for a in tf.nest.flatten(features)]
    flat += [] if labels is None else [np.asarray(a) for a in tf.nest.flatten(labels)]
    state = executable.place_state(values)
    outputs = []
    for first, count in [(0, steps)] if loop else [(i, 1) for i in range(steps)]:
        stacked = [np.stack([a] * count) for a in flat]
        state, made = executable.run(state, start + first, executable.place_batches(stacked))
        outputs.append(gather_outputs(made))
    joined = {name: np.concatenate([o[name] for o in outputs]) for name in outputs[0]}
    return read_state(state), joined


def as_model_fn(build):
    """A model_fn from `build(*features)`, which returns tensors, or tensors and a train_op."""

    def model_fn(features, labels, mode, params):
        del labels, params
        result = build(*features)
        tensors, train_op = result if isinstance(result, tuple) else (result, None)
        if train_op is None:
            return TPUEstimatorSpec(mode, predictions={str(i): t for i, t in enumerate(tensors)})
        carried = [tf.expand_dims(t, 0) for t in tensors]
        return TPUEstimatorSpec(
            mode, loss=tensors[0], train_op=train_op, host_call=(lambda *a: a, carried)
        )

    return model_fn


def run_on_device(build, arrays, *, mode=ModeKeys.PREDICT, replicas=1):
    """Returns initial values, final variables and the tensors of replica 0 after one step."""
    traced = trace(as_model_fn(build), tuple(arrays), mode=mode, replicas=replicas)
    values = initial_values(traced)
    state, outputs = run(lower_model(traced), values, tuple(arrays))
    names = [name for name in outputs if name != "loss"]
    tensors = [outputs[name][0, 0] for name in names]
    if mode == ModeKeys.TRAIN:
        tensors = [t[0] for t in tensors]
    return values, state, tensors


def run_on_host(build, arrays, values):
    """Runs `build` once in a session from `values`; returns variables and tensors."""
    with tf.Graph().as_default(), tf1.Session() as session, single_replica(), resource_variables():
        tf1.train.get_or_create_global_step()
        feeds = [tf1.placeholder(a.dtype, a.shape) for a in map(np.asarray, arrays)]
        result = build(*feeds)
        tensors, train_op = result if isinstance(result, tuple) else (result, None)
        session.run([tf1.global_variables_initializer(), tf1.local_variables_initializer()])
        for variable in tf1.global_variables() + tf1.local_variables():
            variable.load(values[variable.op.name], session)
        fetches = [tensors, train_op] if train_op is not None else [tensors]
        made = session.run(fetches, dict(zip(feeds, arrays, strict=True)))[0]
        variables = tf1.global_variables() + tf1.local_variables()
        return session.run({v.op.name: v for v in variables}), made
