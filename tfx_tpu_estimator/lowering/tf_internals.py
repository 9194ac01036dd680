"""The one module that touches TensorFlow's private names, so that an upgrade is one file.

Each function says what it needs from inside TensorFlow and why no public name does it.
Seen working with TensorFlow 2.16 and 2.21.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

import tensorflow as tf
from tensorflow.python.framework import function as _function
from tensorflow.python.ops import control_flow_util as _control_flow_util
from tensorflow.python.ops import gen_tpu_ops as _gen_tpu_ops
from tensorflow.python.tpu import functional as _tpu_functional
from tensorflow.python.tpu import tpu_function as _tpu_function
from tensorflow.python.training import training_util as _training_util

from tfx_tpu_estimator.lowering.tf_internals_embedding import columns_on_host

# All cross-replica ops of `tf.compat.v1.tpu`, CrossShardOptimizer's included, go through these
# generated wrappers; with one replica every one of them returns its input.
_COLLECTIVES = ("cross_replica_sum", "collective_permute")
_ASSIGNMENTS = ("AssignAddVariableOp", "AssignVariableOp", "AssignSubVariableOp")

_local = threading.local()
_patch_lock = threading.Lock()
_patched = False


def _install_collectives() -> None:
    global _patched
    with _patch_lock:
        if _patched:
            return
        for name in _COLLECTIVES:
            setattr(_gen_tpu_ops, name, _one_replica_or(getattr(_gen_tpu_ops, name)))
        _patched = True


def _one_replica_or(original: Callable) -> Callable:
    """Wraps a generated op so that inside `single_replica` it is an identity."""

    def op(input, *args, name=None, **kwargs):  # `input` is TensorFlow's own argument name
        if getattr(_local, "single_replica", False):
            return tf.identity(input, name=name or original.__name__)
        return original(input, *args, name=name, **kwargs)

    op.__name__ = original.__name__
    return op


@contextlib.contextmanager
def single_replica() -> Iterator[None]:
    """Makes cross-replica ops built inside the block the identities they are for one replica.

    TensorFlow's published wheels have no CPU or GPU kernel for CrossReplicaSum, so a graph that
    holds one (every use of CrossShardOptimizer) could not run. The block also tells code that asks
    that there is one shard. It affects the current thread only.
    """
    _install_collectives()
    with _replicas(1, single=True), columns_on_host(True):
        yield


@contextlib.contextmanager
def many_replicas(number: int | None) -> Iterator[None]:
    """Tells code built inside the block the number of shards; None for what is no replica's yet.

    TensorFlow's tpu_shard_context cannot be nested. But a listener of a training may evaluate and
    export, which builds other graphs meanwhile.
    """
    with _replicas(number, single=False), columns_on_host(False):
        yield


@contextlib.contextmanager
def _replicas(number: int | None, *, single: bool) -> Iterator[None]:
    context = _tpu_function.get_tpu_context()
    before = context.number_of_shards, getattr(_local, "single_replica", False)
    context.set_number_of_shards(number)
    _local.single_replica = single
    try:
        yield
    finally:
        context.set_number_of_shards(before[0])
        _local.single_replica = before[1]


def is_built_for_host() -> bool:
    """Returns whether the graph being built is one for a session on this host."""
    return getattr(_local, "single_replica", False)


def is_in_device_computation() -> bool:
    """Returns whether the ops being built are already part of a computation on a TPU.

    Contexts of control flow say it, and have no public name.
    """
    graph = tf.compat.v1.get_default_graph()
    return _control_flow_util.GraphOrParentsInXlaContext(graph)


def count_shards() -> int:
    """Returns how many replicas the model that is being built is trained on together.

    CrossShardOptimizer reads the same number; no public name gives it.
    """
    return _tpu_function.get_tpu_context().number_of_shards or 1


def sums_over_shards(optimizer: tf.compat.v1.train.Optimizer) -> bool:
    """Tells whether a CrossShardOptimizer sums gradients rather than averaging them.

    It has no public property for it. Other optimizers do neither.
    """
    return getattr(optimizer, "_reduction", None) == tf.compat.v1.losses.Reduction.SUM


def run_on_tpu_when_served(
    computation: Callable[..., Sequence[tf.Tensor]], inputs: Sequence[tf.Tensor]
) -> list[tf.Tensor]:
    """Builds `computation` inside a TPUPartitionedCall, to run on a TPU core when served.

    The computation is built inside `tpu.rewrite` in a function of its own, which captures the
    inputs and the resource variables of the graph around it; the call takes the cores in turn.
    No public API makes a TPUPartitionedCall.

    Args:
      computation: Takes `inputs` as they arrive on the TPU, returns a non-empty list of tensors.
      inputs: Tensors of the default graph.

    Returns:
      The outputs of the call in the order of `computation`, with the static shapes they have
      inside.
    """
    shapes: list[tf.TensorShape] = []

    def replica(*arguments) -> list[tf.Tensor]:
        # Nothing of the computation may come after what is outside of it, an identity neither.
        outputs = list(computation(*arguments))
        shapes.extend(t.shape for t in outputs)
        return outputs

    @_function.Defun(capture_by_value=False, capture_resource_var_by_value=False)
    def on_tpu():
        return tf.compat.v1.tpu.rewrite(replica, list(inputs))

    with many_replicas(None):
        outputs = _tpu_functional.TPUPartitionedCall(
            args=on_tpu.captured_inputs,
            device_ordinal=tf.raw_ops.TPUOrdinalSelector(),
            Tout=[arg.type for arg in on_tpu.definition.signature.output_arg],
            f=on_tpu,
        )
    for tensor, shape in zip(outputs, shapes, strict=True):
        tensor.set_shape(shape)
    return list(outputs)


def add_saving_listeners(hook: tf.compat.v1.train.CheckpointSaverHook, listeners: Sequence) -> None:
    """Adds listeners to a CheckpointSaverHook that the user made (it has no public way to)."""
    known = hook._listeners
    known.extend(listener for listener in listeners if listener not in known)


def read_step_before_update(graph: tf.Graph, train_op: tf.Operation | tf.Tensor) -> None:
    """Makes all that reads the global step in a training step see it as it was before.

    Nothing orders reads and update when the variable is a resource. TensorFlow's hooks fetch a
    cached read together with the training op and count on the old value, or a summary or checkpoint
    comes a step early. Programs that increment the step beside `apply_gradients`, as BERT does,
    would train with the rate of either step by chance. What reads after the update on purpose,
    through a control dependency, still does. Neither the cached read nor adding an edge to an op
    has a public name.

    Args:
      graph: A built training graph.
      train_op: What a step runs.
    """
    step = tf.compat.v1.train.get_global_step(graph)
    cached = _training_util._get_or_create_global_step_read(graph).op
    updates = [
        op
        for op in graph.get_operations()
        if op.type in _ASSIGNMENTS and op.inputs[0] is step.handle and op is not step.initializer
    ]
    after = _walk(updates, _list_successors)
    last = train_op.op if isinstance(train_op, tf.Tensor) else train_op
    running = _walk([last], _list_predecessors)
    readers = [
        op
        for op in step.handle.consumers()
        if op in running and op not in after and op._get_control_flow_context() is None
    ]
    for update in updates:
        for reader in dict.fromkeys([cached, *readers]):
            update._add_control_input(reader)


def _walk(
    start: Iterable[tf.Operation], list_next: Callable[[tf.Operation], Iterable[tf.Operation]]
) -> set[tf.Operation]:
    """Returns `start` and all that can be reached from it."""
    found: set[tf.Operation] = set()
    waiting = list(start)
    while waiting:
        op = waiting.pop()
        if op not in found:
            found.add(op)
            waiting.extend(list_next(op))
    return found


def _list_predecessors(op: tf.Operation) -> list[tf.Operation]:
    return [*(t.op for t in op.inputs), *op.control_inputs]


def _list_successors(op: tf.Operation) -> list[tf.Operation]:
    return [*(user for t in op.outputs for user in t.consumers()), *op._control_outputs]
