"""Ops that XLA lacks in their first form and has in another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.lowering.node_references import producer
from tfx_tpu_estimator.lowering.unsupported import find_line, find_op, walk_nodes


class _Nodes:
    """Adds nodes to a graph, or to a function, where inputs name an output argument as well."""

    def __init__(self, nodes: Any, in_function: bool):
        self._nodes = nodes
        self._in_function = in_function

    def add(self, name: str, op: str, output: str, inputs: Sequence[str], **types: Any) -> str:
        """Adds a node; returns how others name its only output."""
        node = self._nodes.add(name=name, op=op, input=inputs)
        for key, dtype in types.items():
            node.attr[key].type = tf.as_dtype(dtype).as_datatype_enum
        return f"{name}:{output}:0" if self._in_function else name

    def add_constant(self, name: str, value: Any, dtype: tf.DType) -> str:
        """Adds a Const; returns how others name it."""
        reference = self.add(name, "Const", "output", [], dtype=dtype)
        tensor = tf.make_tensor_proto(value, dtype)
        self._nodes[len(self._nodes) - 1].attr["value"].tensor.CopyFrom(tensor)
        return reference


def rewrite_sorted_segments(graph: tf.Graph, graph_def: tf.compat.v1.GraphDef) -> None:
    """Gives each SegmentSum the number of its segments, in place, as XLA needs it.

    Where the ids are constants that is their largest plus one. Else there are at most as many
    segments as ids, if none is left out; the result then has a dynamic size, which reductions
    over it respect. Ids with gaps that do not fit give NaN rather than a sum that lacks rows.
    """
    library = {function.signature.name: function for function in graph_def.library.function}
    for node, owner in list(walk_nodes(graph, graph_def)):
        op = find_op(owner, node.name) if node.op == "SegmentSum" and owner is not None else None
        if op is None or op.inputs[1].shape.num_elements() is None:
            continue  # `check_ops` says what to do
        called = library.get(getattr(owner, "name", ""))
        nodes = _Nodes(called.node_def if called else graph_def.node, called is not None)
        _rewrite_segment_sum(nodes, node, op)


def _rewrite_segment_sum(nodes: _Nodes, node: Any, op: tf.Operation) -> None:
    data, ids = op.inputs[0].dtype, op.inputs[1].dtype
    static = tf.get_static_value(op.inputs[1])
    count = op.inputs[1].shape.num_elements() if static is None else int(max(static)) + 1
    prefix, sources = f"{node.name}/segments", list(node.input[:2])
    size = nodes.add_constant(f"{prefix}/count", count, tf.int32)
    kept = {"T": data, "Tindices": ids, "Tnumsegments": tf.int32}
    node.attr.clear()
    if static is not None:
        node.op = "SegmentSumV2"
        node.input.insert(2, size)
        for key, dtype in kept.items():
            node.attr[key].type = dtype.as_datatype_enum
        return
    rows = nodes.add(f"{prefix}/sum", "SegmentSumV2", "output", [*sources, size], **kept)
    zero = nodes.add_constant(f"{prefix}/axis", 0, tf.int32)
    last = nodes.add(f"{prefix}/max", "Max", "output", [sources[1], zero], T=ids, Tidx=tf.int32)
    last = nodes.add(f"{prefix}/last", "Cast", "y", [last], SrcT=ids, DstT=tf.int32)
    one = nodes.add_constant(f"{prefix}/one", 1, tf.int32)
    used = nodes.add(f"{prefix}/used", "AddV2", "z", [last, one], T=tf.int32)
    if data.is_floating:
        lost = nodes.add(f"{prefix}/lost", "Greater", "z", [used, size], T=tf.int32)
        nan = nodes.add_constant(f"{prefix}/nan", float("nan"), data)
        rows = nodes.add(f"{prefix}/checked", "SelectV2", "output", [lost, nan, rows], T=data)
    used = nodes.add(f"{prefix}/size", "Minimum", "z", [used, size], T=tf.int32)
    node.op = "XlaSetDynamicDimensionSize"
    controls = [i for i in node.input if i.startswith("^")]
    del node.input[:]
    node.input.extend([rows, zero, used, *controls])
    node.attr["T"].type = data.as_datatype_enum


def order_reads_before_updates(graph_def: tf.compat.v1.GraphDef, handles: set[str]) -> None:
    """Makes reads of variables that wait for nothing see the values before the step, in place.

    A session leaves open whether such a read comes before or after the update; a tensor made of
    the global step and passed to host_call would be the one or the other.

    Args:
      graph_def: Whose nodes to order.
      handles: Names of the nodes of variables' handles.
    """
    reads: dict[str, list[str]] = {}
    for node in graph_def.node:
        if node.op == "ReadVariableOp" and len(node.input) == 1 and node.input[0] in handles:
            reads.setdefault(node.input[0], []).append(node.name)
    for node in graph_def.node:
        if node.op == "ReadVariableOp" or node.name in handles:
            continue
        used = [i for i in node.input if i in reads]
        before = {name for handle in used for name in reads[handle]}
        node.input.extend(f"^{name}" for name in sorted(before) if f"^{name}" not in node.input)


def check_loops(graph: tf.Graph, graph_def: tf.compat.v1.GraphDef) -> None:
    """Checks that loops with gradients know how long they can be.

    Raises:
      ValueError: A while loop whose gradient is taken has no `maximum_iterations`; says where it
        was made.
    """
    constants: dict[tuple[int, str], Any] = {}
    lists = []
    for node, owner in walk_nodes(graph, graph_def):
        if node.op == "Const":
            constants[(id(owner), node.name)] = node
        elif node.op == "EmptyTensorList":
            lists.append((node, owner))
    for node, owner in lists:
        size = constants.get((id(owner), producer(node.input[1])))
        if size is not None and tf.make_ndarray(size.attr["value"].tensor) < 0:
            raise ValueError(
                f"The while loop made at {find_line(owner, node.name)} has a gradient and no "
                "bound, so that a TPU cannot reserve memory for it. Give "
                "tf.compat.v1.while_loop `maximum_iterations` (op "
                f"`{node.name}` of type EmptyTensorList)."
            )
