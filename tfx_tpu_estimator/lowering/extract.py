"""Cuts what runs on the device out of a traced graph."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.lowering.collectives import rewrite_collectives
from tfx_tpu_estimator.lowering.functions import rename_functions
from tfx_tpu_estimator.lowering.host_part import HostPart, make_host_part
from tfx_tpu_estimator.lowering.host_side import (
    prune_host_ops,
    warn_of_pruned,
    warn_of_unreached,
)
from tfx_tpu_estimator.lowering.host_split import HostSplit, describe_source
from tfx_tpu_estimator.lowering.node_references import producer, tensor_name
from tfx_tpu_estimator.lowering.rewrites import (
    check_loops,
    order_reads_before_updates,
    rewrite_sorted_segments,
)
from tfx_tpu_estimator.lowering.trace import TracedModel
from tfx_tpu_estimator.lowering.unsupported import check_ops

# Of all ops on a variable's handle only these leave it as it is.
_READS = re.compile(
    r"^(ReadVariableOp|ResourceGather|ResourceGatherNd|VarIsInitializedOp|VariableShape|Identity)$"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeviceGraph:
    """The part of a traced graph that becomes a program.

    Attributes:
      graph_def: Its nodes; handles of variables, inputs and the position are not among them.
      variables: The variables that it uses.
      updated: For each of them whether it may change.
      inputs: The batch of one replica, flat: placeholders, and tensors that the host computes.
      input_names: What the program calls them.
      fed: Names of those of inputs and position that it uses.
      host: What the host does with the batch first; None for nothing.
    """

    graph_def: tf.compat.v1.GraphDef
    variables: tuple[tf.Variable, ...]
    updated: tuple[bool, ...]
    inputs: tuple[tf.Tensor, ...]
    input_names: tuple[str, ...]
    fed: frozenset[str]
    host: HostPart | None

    def list_padded(self) -> list[bool]:
        """Returns of each input whether the host fills its rows up to any width."""
        of_host = self.host.outputs if self.host is not None else ()
        padded = {output.name for output in of_host if output.fill is not None}
        return [name in padded for name in self.input_names]


def extract_device_graph(traced: TracedModel) -> DeviceGraph:
    """Cuts out what the outputs and the train_op of `traced` need.

    Raises:
      ValueError: An op cannot run on a TPU.
    """
    fetched = list_fetches(traced)
    with traced.graph.as_default():
        graph_def = keep_reachable(traced.graph.as_graph_def(), fetched)
    outputs = [tensor.op.name for tensor in traced.outputs.tensors.values()]
    warn_of_unreached(traced.graph, graph_def)
    pruned = prune_host_ops(traced.graph, graph_def, outputs)
    graph_def = keep_reachable(graph_def, fetched)
    host = None
    inputs, names = traced.inputs, traced.input_names
    split = HostSplit(describe_source(traced), graph_def, fetched)
    if split.required or traced.host_inputs:
        device_nodes = split.list_device_nodes()
        host = make_host_part(traced, split, device_nodes)
        graph_def = keep_nodes(graph_def, device_nodes)
        sent = [t for t, name in zip(inputs, names, strict=True) if name in host.sent]
        inputs = (*sent, *host.tensors)
        names = (*host.sent, *(output.name for output in host.outputs))
    warn_of_pruned([op for op in pruned if host is None or op.name not in host.nodes])
    handles = {v.handle.op.name: v for v in traced.variables}
    given = {t.op.name for t in (traced.position, *traced.inputs)} | set(handles)
    rewrite_sorted_segments(traced.graph, graph_def)
    check_ops(traced.graph, graph_def, given)
    check_loops(traced.graph, graph_def)
    rewrite_collectives(graph_def)
    order_reads_before_updates(graph_def, set(handles))
    used = [node.name for node in graph_def.node if node.name in handles]
    read = {tensor_name(i) for node in graph_def.node for i in node.input}
    return DeviceGraph(
        graph_def=drop_nodes(graph_def, given),
        variables=tuple(handles[name] for name in used),
        updated=tuple(_is_written(graph_def, graph_def.node, name) for name in used),
        inputs=inputs,
        input_names=names,
        fed=frozenset(t.name for t in (traced.position, *inputs) if t.name in read),
        host=host,
    )


def list_fetches(traced: TracedModel) -> list[str]:
    """Returns the names of the ops whose results a step needs."""
    names = [tensor.op.name for tensor in traced.outputs.tensors.values()]
    return names + ([traced.train_op.name] if traced.train_op is not None else [])


def _copy(graph_def: tf.compat.v1.GraphDef, nodes: Iterable[Any]) -> tf.compat.v1.GraphDef:
    copied = tf.compat.v1.GraphDef()
    copied.versions.CopyFrom(graph_def.versions)
    copied.library.CopyFrom(graph_def.library)
    copied.node.extend(nodes)
    return copied


def keep_reachable(
    graph_def: tf.compat.v1.GraphDef, fetched: Iterable[str]
) -> tf.compat.v1.GraphDef:
    """Returns the nodes of which `fetched` depend, in their order."""
    by_name = {node.name: node for node in graph_def.node}
    reached: set[str] = set()
    waiting = list(fetched)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(producer(i) for i in by_name[name].input)
    return _copy(graph_def, (node for node in graph_def.node if node.name in reached))


def keep_nodes(graph_def: tf.compat.v1.GraphDef, names: Sequence[str]) -> tf.compat.v1.GraphDef:
    """Returns the nodes `names`; they wait for no others."""
    chosen = set(names)
    kept = _copy(graph_def, (node for node in graph_def.node if node.name in chosen))
    for node in kept.node:
        inputs = [i for i in node.input if not i.startswith("^") or i[1:] in chosen]
        if len(inputs) != len(node.input):
            del node.input[:]
            node.input.extend(inputs)
    return kept


def drop_nodes(graph_def: tf.compat.v1.GraphDef, dropped: set[str]) -> tf.compat.v1.GraphDef:
    """Returns a copy without `dropped`, and without what pins nodes to devices."""
    kept = _copy(graph_def, (node for node in graph_def.node if node.name not in dropped))
    for node in kept.node:
        node.device = ""
        node.attr.pop("_class", None)
        inputs = [i for i in node.input if not (i.startswith("^") and i[1:] in dropped)]
        if len(inputs) != len(node.input):
            del node.input[:]
            node.input.extend(inputs)
    for function in kept.library.function:
        for node in function.node_def:
            node.device = ""
            node.attr.pop("_class", None)
    rename_functions(kept, "_on_tpu")
    return kept


def _is_written(graph_def: tf.compat.v1.GraphDef, nodes: Iterable[Any], handle: str) -> bool:
    """Whether any of `nodes` may change the variable whose handle is called `handle`."""
    library = {function.signature.name: function for function in graph_def.library.function}
    for node in nodes:
        for index, reference in enumerate(node.input):
            if reference.startswith("^") or producer(reference) != handle:
                continue
            if node.op == "Identity" and _is_written(graph_def, nodes, node.name):
                return True
            if not _READS.search(node.op) and _call_writes(graph_def, library, node, index):
                return True
    return False


def _call_writes(
    graph_def: tf.compat.v1.GraphDef, library: dict[str, Any], node: Any, index: int
) -> bool:
    """Whether an op may change the variable that is its input number `index`."""
    names = [a.func.name for a in node.attr.values() if a.HasField("func")]
    names += [f.name for a in node.attr.values() for f in a.list.func]
    names = [name for name in names if name in library]
    if node.op in library:
        names = [node.op]
    if not names:
        return True
    # The first input of a branch says which one to take.
    offset = 1 if node.op in ("If", "StatelessIf", "Case", "StatelessCase") else 0
    return any(
        _is_written(graph_def, library[name].node_def,
                    library[name].signature.input_arg[index - offset].name)
        for name in names
    )  # fmt: skip
