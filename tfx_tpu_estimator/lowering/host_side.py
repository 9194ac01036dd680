"""Takes out of a TPU program what only a host can do and nothing on the device waits for.

Summaries, prints and asserts hang on a training step by control edges. They are cut off, and a
warning names them. What comes before them still runs: they become NoOps that keep their edges.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.lowering.node_references import producer
from tfx_tpu_estimator.lowering.tf_internals_outside import is_outside
from tfx_tpu_estimator.lowering.tf_internals_tracing import list_device_ops
from tfx_tpu_estimator.lowering.unsupported import find_line, list_functions, walk_nodes

_logger = logging.getLogger(__name__)
_HOST_ONLY = re.compile(r"Summary|^PrintV2$|^Print$|^Assert$")
# Ops with an effect that the program must keep.
_EFFECT = re.compile(r"^Assign|^Resource(?!Gather)")


def is_host_only(op_type: str) -> bool:
    """Whether ops of this type do nothing but tell somebody something on the host."""
    return bool(_HOST_ONLY.search(op_type))


@dataclasses.dataclass(frozen=True)
class PrunedOp:
    """An op that was taken out.

    Attributes:
      name: Its name.
      type: Its type.
      line: `file:line` of the user's code that made it.
    """

    name: str
    type: str
    line: str

    def __str__(self) -> str:
        return f"{self.name} ({self.type}, {self.line})"


def prune_host_ops(
    graph: tf.Graph, graph_def: tf.compat.v1.GraphDef, outputs: Iterable[str]
) -> list[PrunedOp]:
    """Takes summaries, prints and asserts out of `graph_def`, in place.

    Args:
      graph: The traced graph.
      graph_def: What of it runs.
      outputs: Names of the nodes whose values are wanted.

    Returns:
      What was taken out.
    """
    found = [
        (node.name, node.op, owner)
        for node, owner in walk_nodes(graph, graph_def)
        if is_host_only(node.op)
    ]
    if not found:
        return []
    quiet = _find_quiet_functions(graph_def)
    for function in graph_def.library.function:
        _prune(function.node_def, {producer(r) for r in function.ret.values()}, quiet)
    _prune(graph_def.node, set(outputs), quiet)
    return [PrunedOp(name, op, find_line(owner, name)) for name, op, owner in found]


def warn_of_pruned(pruned: Sequence[PrunedOp]) -> None:
    """Says once what is missing on the device."""
    asserts = [str(op) for op in pruned if op.type == "Assert"]
    others = [str(op) for op in pruned if op.type != "Assert"]
    if others:
        _logger.warning(
            "These ops only run on a host and were left out of the TPU program: %s. Write "
            "summaries and print through host_call.", ", ".join(others),
        )  # fmt: skip
    if asserts:
        _logger.warning("A TPU does not check assertions: %s have no effect.", ", ".join(asserts))


def warn_of_unreached(graph: tf.Graph, graph_def: tf.compat.v1.GraphDef) -> None:
    """Names what `tpu.outside_compilation` built to have an effect, but nothing waits for.

    Args:
      graph: The traced graph.
      graph_def: What of it runs.
    """
    reached = {node.name for node in graph_def.node}
    lost = [
        str(PrunedOp(op.name, op.type, find_line(graph, op.name)))
        for op in graph.get_operations()
        if op.name not in reached
        and op.op_def is not None
        and op.op_def.is_stateful
        and is_outside(op.node_def)
    ]
    if lost:
        _logger.warning(
            "These ops of tpu.outside_compilation do not run, as nothing that the model_fn "
            "returns depends on them: %s. Do it in host_call.", ", ".join(lost),
        )  # fmt: skip


def _find_quiet_functions(graph_def: tf.compat.v1.GraphDef) -> set[str]:
    """Returns the functions that do host-only work and have no effect on any variable."""
    library = {function.signature.name: function for function in graph_def.library.function}

    def holds(name: str, pattern: re.Pattern) -> bool:
        if name not in library:
            return False
        return any(
            pattern.search(node.op) or any(holds(f, pattern) for f in list_functions(node))
            for node in library[name].node_def
        )

    return {name for name in library if holds(name, _HOST_ONLY) and not holds(name, _EFFECT)}


def _data_inputs(node: Any) -> list[str]:
    return [producer(i) for i in node.input if not i.startswith("^")]


def _prune(nodes: Any, needed: set[str], quiet: set[str]) -> None:
    """Turns the host-only nodes of one graph or function into NoOps.

    Args:
      nodes: The graph's or the function's.
      needed: Names of those whose values are returned.
      quiet: Names of functions that do nothing but host-only work.
    """
    for node in nodes:
        if node.op == "Print":
            _become_identity(node)
    by_name = {node.name: node for node in nodes}
    consumers: dict[str, set[str]] = defaultdict(set)
    for node in nodes:
        for source in _data_inputs(node):
            consumers[source].add(node.name)
    removed: set[str] = set()
    for node in nodes:
        calls_quiet = any(name in quiet for name in list_functions(node))
        if is_host_only(node.op) or (calls_quiet and not node.op.endswith("While")):
            removed |= _removable(node.name, by_name, consumers, needed)
    _add_feeders(removed, by_name, consumers, needed)
    for name in removed:
        _become_no_op(by_name[name], by_name)


def _removable(
    name: str, by_name: dict[str, Any], consumers: dict[str, set[str]], needed: set[str]
) -> set[str]:
    """Returns `name` and all that is computed from it, or nothing if any of that is needed."""
    closure, waiting = set(), [name]
    while waiting:
        current = waiting.pop()
        if current in closure:
            continue
        node = by_name[current]
        if _EFFECT.search(node.op) or current in needed:
            return set()
        closure.add(current)
        waiting.extend(consumers[current])
    return closure


def _add_feeders(
    removed: set[str], by_name: dict[str, Any], consumers: dict[str, set[str]], needed: set[str]
) -> None:
    """Adds to `removed` what no device has and only `removed` ops read, such as formatting."""
    waiting = list(removed)
    while waiting:
        for source in _data_inputs(by_name[waiting.pop()]):
            node = by_name.get(source)
            if node is None or source in removed or source in needed:
                continue
            if consumers[source] <= removed and not _is_device_node(node):
                removed.add(source)
                waiting.append(source)


def _is_device_node(node: Any) -> bool:
    strings = node.op == "Const" and node.attr["dtype"].type == tf.string.as_datatype_enum
    return node.op in list_device_ops() and not strings


def _become_identity(node: Any) -> None:
    """Makes a tf.compat.v1.Print, which passes its first input on, nothing but that."""
    kept = [node.input[0], *(i for i in node.input[1:] if i.startswith("^"))]
    dtype = node.attr["T"].type
    node.op = "Identity"
    del node.input[:]
    node.input.extend(kept)
    node.attr.clear()
    node.attr["T"].type = dtype


def _become_no_op(node: Any, by_name: dict[str, Any]) -> None:
    # An argument of a function has no node and cannot be waited for.
    before = dict.fromkeys(producer(i) for i in node.input if producer(i) in by_name)
    node.op = "NoOp"
    del node.input[:]
    node.input.extend(f"^{name}" for name in before)
    node.attr.clear()
