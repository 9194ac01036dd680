"""What a Saver writes: the name, slice and source of each tensor, read from its own graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

_VARIABLES = ("VarHandleOp", "VariableV2", "Variable")
_PASSES_ON = ("Identity", "ReadVariableOp")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SavedTensor:
    """One tensor of a checkpoint.

    Attributes:
      source: Name of the variable it is the value of; the same as `name` where the Saver stores
        something that is no variable.
      name: Its name in the checkpoint. The parts of a partitioned variable share one.
      slice_spec: Which slice of the whole tensor it is, as TensorFlow writes it, such as
        '10 4 0,5:0,4'; '' where it is the whole.
      shape: Its own static shape, the slice's; unknown dimensions are None.
      dtype: Its type.
    """

    source: str
    name: str
    slice_spec: str
    shape: tf.TensorShape
    dtype: tf.DType

    @property
    def full_shape(self) -> tf.TensorShape:
        """The shape of the whole tensor in the checkpoint."""
        if not self.slice_spec:
            return self.shape
        return tf.TensorShape([int(size) for size in self.slice_spec.split(" ")[:-1]])


def list_saved_tensors(saver: tf.compat.v1.train.Saver, graph: tf.Graph) -> tuple[SavedTensor, ...]:
    """Returns what `saver` writes, in its order.

    Works for every Saver: with names of its own, for some variables only, sharded.

    Args:
      saver: A Saver that has been built; `tf.compat.v1.train.Saver()` in the graph of a model for
        all its variables.
      graph: The graph it was built in.
    """
    if saver.saver_def is None:
        return ()  # allow_empty, and there was nothing to save
    last = graph.as_graph_element(saver.saver_def.save_tensor_name).op
    return tuple(
        tensor
        for op in _list_ancestors(last)
        if op.type == "SaveV2"
        for tensor in _read_save_op(op)
    )


def list_restored_shapes(
    saver: tf.compat.v1.train.Saver, graph: tf.Graph
) -> dict[str, tf.TensorShape | None]:
    """Returns {name in the checkpoint: whole shape} of what `saver` restores.

    A Saver made with `reshape=True` takes any shape, which shows as None here.

    Args:
      saver: A Saver that has been built.
      graph: The graph it was built in.
    """
    shapes: dict[str, tf.TensorShape | None] = {
        t.name: t.full_shape for t in list_saved_tensors(saver, graph)
    }
    if shapes and _reshapes(graph.get_operation_by_name(saver.saver_def.restore_op_name)):
        return dict.fromkeys(shapes)
    return shapes


def _reshapes(restore_op: tf.Operation) -> bool:
    return any(
        consumer.type == "Reshape"
        for op in _list_ancestors(restore_op)
        if op.type == "RestoreV2"
        for tensor in op.outputs
        for consumer in tensor.consumers()
    )


def _list_ancestors(op: tf.Operation) -> list[tf.Operation]:
    """Returns `op` and all that it depends on, within the operations of the Saver."""
    found, waiting = {}, [op]
    while waiting:
        op = waiting.pop()
        if op.name in found:
            continue
        found[op.name] = op
        # Beyond these lies the model, which can be large.
        if op.type not in ("SaveV2", "RestoreV2"):
            waiting += [t.op for t in op.inputs] + list(op.control_inputs)
    return list(found.values())


def _read_save_op(op: Any) -> Iterator[SavedTensor]:
    names, specs = (tf.get_static_value(op.inputs[i]) for i in (1, 2))
    for name, spec, tensor in zip(names, specs, op.inputs[3:], strict=True):
        name = name.decode()
        yield SavedTensor(
            source=_find_variable(tensor) or name,
            name=name,
            slice_spec=spec.decode(),
            shape=tensor.shape,
            dtype=tensor.dtype.base_dtype,
        )


def _find_variable(tensor: tf.Tensor) -> str | None:
    op = tensor.op
    while op.type in _PASSES_ON:
        op = op.inputs[0].op
    return op.name if op.type in _VARIABLES else None
