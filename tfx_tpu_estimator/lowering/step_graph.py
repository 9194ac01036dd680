"""Cuts pieces out of a graph, to be pasted into the body of a loop of the same graph."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.lowering.functions import copy_library

# Tables whose ops have inputs, such as the empty key; all other makers of shared state have none.
_TABLES = re.compile(r"HashTable")
_GATE = re.compile(r"_grad/tuple/control_dependency(_\d+)?$")
_FED = ("Placeholder", "PlaceholderV2")


class NotLoopableError(ValueError):
    """Part of a graph cannot run in the body of a loop; says which op and why."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GraphPiece:
    """Ops of a graph without what they share with the rest of it.

    Attributes:
      graph_def: The ops and the functions that they call.
      names: Their names.
      outside: Tensors that they read and that are not theirs: handles of variables, iterators and
        tables, and results of ops that the piece was told to leave out.
    """

    graph_def: tf.compat.v1.GraphDef
    names: frozenset[str]
    outside: tuple[tf.Tensor, ...]


def cut_piece(
    graph: tf.Graph,
    wanted: Sequence[tf.Operation],
    without: Collection[str] = (),
    not_after: Collection[str] = (),
) -> GraphPiece:
    """Cuts out what `wanted` depend on.

    Args:
      graph: The graph of `wanted`.
      wanted: Ops to be in the piece.
      without: Names of ops to leave out, with all before them.
      not_after: Names of ops that the piece need not wait for.

    Raises:
      NotLoopableError: An op must be fed, or has a reference to a variable as an output.
    """
    taken: set[str] = set()
    outside: dict[str, tf.Tensor] = {}
    waiting = list(wanted)
    while waiting:
        op = waiting.pop()
        if op.name in taken or op.name in without or _is_shared(op):
            continue
        _check(op)
        taken.add(op.name)
        for tensor in op.inputs:
            waiting.append(tensor.op)
            if tensor.op.name in without or _is_shared(tensor.op):
                outside[tensor.name] = tensor
        waiting.extend(_list_awaited(op, not_after))
    return GraphPiece(
        graph_def=_copy_nodes(graph.as_graph_def(), taken),
        names=frozenset(taken),
        outside=tuple(outside.values()),
    )


def list_batch_ops(graph: tf.Graph, piece: GraphPiece) -> list[tf.Operation]:
    """Returns the ops of a piece that take a batch and wait for nothing.

    Args:
      graph: The graph that the piece was cut from.
      piece: A step.
    """
    ops = (graph.get_operation_by_name(name) for name in sorted(piece.names))
    return [
        op
        for op in ops
        if op.type == "IteratorGetNext" and _is_shared(op.inputs[0].op) and not op.control_inputs
    ]


def paste_piece(
    piece: GraphPiece, returned: Sequence[str], replaced: Mapping[str, tf.Tensor], name: str
) -> list[Any]:
    """Adds a piece to the function that is being built.

    Args:
      piece: What to add.
      returned: Names of its ops and tensors to return.
      replaced: By name of a tensor outside of the piece what to read instead; of the others the
        function captures those of the graph around it.
      name: Put before all names.

    Returns:
      The ops and tensors named by `returned`.
    """
    graph = tf.compat.v1.get_default_graph()
    inputs = {t.name: graph.capture(replaced.get(t.name, t)) for t in piece.outside}
    return tf.compat.v1.import_graph_def(
        piece.graph_def, input_map=inputs, return_elements=list(returned), name=name
    )


def _list_awaited(op: tf.Operation, not_after: Collection[str]) -> list[tf.Operation]:
    """Returns what an op waits for and must.

    Optimizers of TF1 let every gradient of an op wait for all others of that op, also for those
    that nobody wants, such as the gradient of the images. That was to protect variables that
    could change while they were read; reads of resource variables do not change.
    """
    if op.type == "Identity" and _GATE.search(op.name):
        return []
    return [other for other in op.control_inputs if other.name not in not_after]


def _is_shared(op: tf.Operation) -> bool:
    """Whether an op makes the handle of something that outlives a step."""
    makes_handle = any(t.dtype == tf.resource for t in op.outputs)
    return makes_handle and (not op.inputs or bool(_TABLES.search(op.type)))


def _check(op: tf.Operation) -> None:
    if op.type in _FED:
        raise NotLoopableError(f"`{op.name}` must be fed at every step")
    if any(t.dtype != t.dtype.base_dtype for t in op.outputs):
        raise NotLoopableError(f"`{op.name}` of type {op.type} refers to a variable of TF1")


def _copy_nodes(graph_def: tf.compat.v1.GraphDef, names: Collection[str]) -> tf.compat.v1.GraphDef:
    """Returns the nodes `names`, free to be placed apart from the others, and their functions."""
    copied = tf.compat.v1.GraphDef()
    copied.versions.CopyFrom(graph_def.versions)
    copied.node.extend(node for node in graph_def.node if node.name in names)
    for node in copied.node:
        node.attr.pop("_class", None)
        inputs = [i for i in node.input if not i.startswith("^") or i[1:] in names]
        if len(inputs) != len(node.input):
            del node.input[:]
            node.input.extend(inputs)
    copy_library(graph_def, copied, gradients=True)
    return copied
