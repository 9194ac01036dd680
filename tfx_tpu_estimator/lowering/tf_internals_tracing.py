"""TensorFlow's private names that tracing a model for a TPU needs, so that an upgrade is one file.

Each function says what it needs from inside TensorFlow and why no public name does it.
Seen working with TensorFlow 2.16 and 2.21.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tensorflow as tf
from tensorflow.compiler.tf2xla.ops import gen_xla_ops as _gen_xla_ops
from tensorflow.core.framework import attr_value_pb2 as _attr_value_pb2
from tensorflow.python.eager import context as _context
from tensorflow.python.framework import kernels as _kernels
from tensorflow.python.framework import op_def_library as _op_def_library
from tensorflow.python.ops import control_flow_ops as _control_flow_ops
from tensorflow.python.ops import embedding_ops as _embedding_ops
from tensorflow.python.training import optimizer as _optimizer

from tfx_tpu_estimator.lowering.tf_internals import many_replicas
from tfx_tpu_estimator.lowering.tf_internals_outside import marked_outside_compilation

_local = threading.local()
_patch_lock = threading.Lock()
_patched = False

# Builds what stands for an op: gets the op's type, its name and its arguments by keyword. None
# leaves the op as it is.
OpHandler = Callable[[str, str, dict[str, Any]], tf.Tensor | None]


class _Replaced:
    """Stands for the op that a handler replaced.

    TensorFlow's generated wrappers look at the op they made only while a GradientTape records;
    without inputs they record nothing, and what the handler built has been recorded already.
    """

    inputs = ()

    def __init__(self, arguments: Mapping[str, Any], dtype: tf.DType):
        self._arguments = arguments
        self._dtype = dtype

    def get_attr(self, name: str) -> Any:
        return self._arguments.get(name, 0)

    def _get_attr_type(self, name: str) -> Any:
        return self._arguments.get(name) or self._dtype.as_datatype_enum

    _get_attr_int = _get_attr_bool = get_attr


def _install_hooks() -> None:
    """Wraps, once, the two functions that `replace_ops` and `dense_updates` steer."""
    global _patched
    with _patch_lock:
        if _patched:
            return
        build = _op_def_library._apply_op_helper
        processor = _optimizer._DenseResourceVariableProcessor
        update = processor.update_op

        @functools.wraps(build)
        def build_or_replace(op_type_name, name=None, **keywords):
            handler = getattr(_local, "handlers", {}).get(op_type_name)
            made = handler and handler(op_type_name, name or op_type_name, keywords)
            if made is None:
                return build(op_type_name, name, **keywords)
            return op_type_name, None, _Replaced(keywords, made.dtype), [made]

        @functools.wraps(update)
        def update_densely(self, optimizer, g):
            if getattr(_local, "dense_updates", False) and isinstance(g, tf.IndexedSlices):
                g = tf.convert_to_tensor(g)
            return update(self, optimizer, g)

        lookup = _embedding_ops._embedding_lookup_and_transform

        @functools.wraps(lookup)
        def look_up_in_one(params, ids, partition_strategy="mod", **keywords):
            join = getattr(_local, "join_tables", None)
            if join is not None:
                params, ids = join(params, ids, partition_strategy)
            return lookup(params, ids, partition_strategy=partition_strategy, **keywords)

        _embedding_ops._embedding_lookup_and_transform = look_up_in_one
        _op_def_library._apply_op_helper = build_or_replace
        processor.update_op = update_densely
        _patched = True


@contextlib.contextmanager
def _local_value(name: str, value: Any, default: Any = None) -> Iterator[None]:
    before = getattr(_local, name, default)
    setattr(_local, name, value)
    try:
        yield
    finally:
        setattr(_local, name, before)


@contextlib.contextmanager
def replace_ops(handlers: Mapping[str, OpHandler]) -> Iterator[None]:
    """Builds other ops in place of those whose type `handlers` names.

    Every op of a graph goes through one private function; wrapping it is the only way to reach
    those that library code makes. Affects the current thread only; blocks do not nest.
    """
    _install_hooks()
    with _local_value("handlers", dict(handlers), {}):
        yield


@contextlib.contextmanager
def ops_not_replaced() -> Iterator[None]:
    """Suspends `replace_ops` inside the block."""
    with _local_value("handlers", {}, {}):
        yield


def is_in_loop_of_tf1() -> bool:
    """Whether the op being built would be in a while loop that is not made of functions."""
    context = tf.compat.v1.get_default_graph()._get_control_flow_context()
    return context is not None and context.GetWhileContext() is not None


@contextlib.contextmanager
def dense_updates() -> Iterator[None]:
    """Makes optimizers apply sparse gradients (IndexedSlices) as dense ones.

    XLA has no kernel for the sparse update ops, and no public hook lies between an optimizer's
    `apply_gradients` and its choice of op.
    """
    _install_hooks()
    with _local_value("dense_updates", True):
        yield


@contextlib.contextmanager
def joined_tables(join: Callable[[Any, Any, str], tuple[Any, Any]]) -> Iterator[None]:
    """Makes embedding lookups look in one table.

    A lookup in a partitioned one sorts ids into parts of dynamic sizes, which XLA cannot stitch
    together again; all public lookups go through one private function.

    Args:
      join: Gets a lookup's tables, ids and partition strategy; returns a table and ids in it.
    """
    _install_hooks()
    with _local_value("join_tables", join):
        yield


def marked_identity(x: tf.Tensor, *, attribute: str, value: bytes, name: str) -> tf.Tensor:
    """Builds an Identity with an attribute of its own.

    Args:
      x: What it passes on.
      attribute: Name of the attribute; begins with an underscore, or TensorFlow refuses it.
      value: Its value.
      name: Name of the op.

    Returns:
      `x` as a session sees it.
    """
    marks = {attribute: _attr_value_pb2.AttrValue(s=value)}
    with tf.compat.v1.get_default_graph()._attr_scope(marks):
        return tf.identity(x, name=name)


@tf.custom_gradient
def optimization_barrier(x: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Passes `x` on as a value that no compiler looks into; only in programs of a device."""
    outputs: Any = _gen_xla_ops.xla_optimization_barrier([x])
    return outputs[0], lambda gradient: gradient


class _DeviceContext(_control_flow_ops.XLAControlFlowContext):
    """Tells code that asks that it is on a TPU, and remembers which ops are."""

    def __init__(self):
        super().__init__()
        self._name = "tpu_computation"
        self.ops: set[str] = set()

    # TensorFlow's own names, of which the base class does not say what they get.
    def AddOp(self, op):  # pyright: ignore[reportIncompatibleMethodOverride]
        self.ops.add(op.name)

    def AddInnerOp(self, op):
        self.AddOp(op)

    @property
    def grad_state(self):
        return None

    @property
    def back_prop(self):
        return False

    def GetControlPivot(self):
        return None


@contextlib.contextmanager
def device_computation(num_replicas: int) -> Iterator[set[str]]:
    """Builds the ops of the block as those of a TPU computation of `num_replicas` replicas.

    Without the XLA context a dynamic_rnn with a gradient does not lower, and no public name makes
    one without a TPU; nor does any set the number of shards that CrossShardOptimizer reads.

    Yields:
      The names of the ops built inside, filled while they are built.
    """
    context = _DeviceContext()
    with many_replicas(num_replicas), marked_outside_compilation():
        context.Enter()
        try:
            yield context.ops
        finally:
            context.Exit()


@contextlib.contextmanager
def eager_mode() -> Iterator[None]:
    """Leaves every graph, also in programs that disabled eager execution."""
    with _context.eager_mode():
        yield


def find_function_graph(graph: tf.Graph, name: str) -> tf.Graph | None:
    """Returns the graph from which the function `name` of `graph` was made, if it has one."""
    function = graph._get_function(name)
    return getattr(function, "graph", None)


def find_differentiated(op: tf.Operation) -> tf.Operation | None:
    """Returns the user's op of whose gradient `op` is a part; None if it is of no gradient.

    TensorFlow notes it while it builds gradients; no public name gives it.
    """
    original = getattr(op, "_original_op", None)
    while (before := getattr(original, "_original_op", None)) is not None:
        original = before
    return original


@functools.cache
def list_device_ops() -> frozenset[str]:
    """Returns the types of op that TensorFlow can lower to XLA.

    The kernels are registered when the first function is lowered, which is why one is.
    """
    with eager_mode(), tf.device("/cpu:0"):
        first = tf.function(lambda x: x + 1.0, jit_compile=True, autograph=False)
        first.experimental_get_compiler_ir(tf.TensorSpec([1]))(stage="hlo")
    listed = _kernels.get_all_registered_kernels().kernel
    return frozenset(kernel.op for kernel in listed if kernel.device_type == "XLA_CPU_JIT")
