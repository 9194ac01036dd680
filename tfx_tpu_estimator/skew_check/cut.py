"""Cuts the TPU computations out of a flat graph: programs, and what of it stays on the host.

A computation without outside_compilation is one program. What outside_compilation sends to the host
divides it into stages: a stage is all that needs no more trips to the host than so many. The
program of a stage computes once more what it needs of earlier ones. So shapes and constants are
known while it is compiled, as they are to a TPU, which compiles all stages together.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.lowering.node_references import producer, slot, tensor_name
from tfx_tpu_estimator.lowering.served_program import ServedPart
from tfx_tpu_estimator.skew_check.flatten import REPLICATE, FlatGraph
from tfx_tpu_estimator.skew_check.graph_nodes import (
    find_reachable,
    make_graph_def,
    rename_inputs,
    set_inputs,
)
from tfx_tpu_estimator.skew_check.stages import OUTSIDE, find_stages
from tfx_tpu_estimator.skew_check.tensorflow_words import explain

_FRAME = ("TPUReplicateMetadata", "TPUCompilationResult", "TPUOrdinalSelector")
_HANDLE = "VarHandleOp"
_ON_HOST = (_HANDLE, "Placeholder")


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostGraph:
    """What of a {serve, tpu} graph runs in TensorFlow.

    Attributes:
      graph_def: Its nodes. A node of type PyFunc stands for each program; its `token` is to be
        filled in.
      parts: The programs, by name of that node.
      feeders: By name of that node, the tensors of the host graph that it gets.
    """

    graph_def: tf.compat.v1.GraphDef
    parts: dict[str, ServedPart]
    feeders: dict[str, tuple[str, ...]]


def cut_programs(flat: FlatGraph, wanted: Iterable[str]) -> HostGraph:
    """Cuts a graph.

    Args:
      flat: The graph.
      wanted: Names of the nodes and tensors that somebody will ask for.

    Raises:
      ValueError: A TPU computation gets or gives what no TPU can.
    """
    return _Cutter(flat, [flat.resolve(name) for name in wanted]).run()


class _Cutter:
    def __init__(self, flat: FlatGraph, wanted: list[str]):
        self._source = flat.source
        reached = find_reachable(flat.nodes, map(producer, wanted))
        self._nodes = {name: node for name, node in flat.nodes.items() if name in reached}
        self._wanted = {tensor_name(name) for name in wanted}
        self._clusters: dict[str, str] = {}
        self._replaced: dict[str, str] = {}

    def run(self) -> HostGraph:
        self._take_frames_away()
        self._graph = _import(self._nodes.values(), self._source)
        stage_of = self._assign_stages()
        outputs = self._find_outputs(stage_of)
        inside = {name: node for name, node in self._nodes.items() if name in self._clusters}
        parts = {}
        for stage, tensors in outputs.items():
            own = [name for name, of in stage_of.items() if of == stage]
            needed = self._find_needed(own, inside)
            parts[stage] = self._make_part(stage, [n for n in inside if n in needed], tensors)
        return self._make_host_graph(stage_of, parts)

    def _find_needed(self, own: list[str], inside: dict[str, Any]) -> set[str]:
        """Returns the nodes of a stage, and those of earlier ones that it needs."""
        cluster = self._clusters[own[0]]
        nodes = {name: node for name, node in inside.items() if self._clusters[name] == cluster}
        return find_reachable(nodes, own)

    def _take_frames_away(self) -> None:
        """Replaces what stands around a TPU computation, and notes what is inside."""
        gone = {name for name, node in self._nodes.items() if node.op in _FRAME}
        for name, node in list(self._nodes.items()):
            if name in gone:
                del self._nodes[name]
                continue
            if node.op in ("TPUReplicatedInput", "TPUReplicatedOutput"):
                _make_identity(node)
                node.attr.pop(REPLICATE, None)
            if any(producer(i) in gone for i in node.input):
                rename_inputs(node, lambda i: [] if producer(i) in gone else [i])
            if REPLICATE in node.attr and not _is_on_host(node):
                self._clusters[name] = node.attr[REPLICATE].s.decode()

    def _assign_stages(self) -> dict[str, str]:
        """Returns of each node of a program the name of the PyFunc that will stand for it."""
        stages = find_stages(self._nodes, self._clusters)
        count: dict[str, int] = defaultdict(int)
        for name, stage in stages.items():
            cluster = self._clusters[name]
            count[cluster] = max(count[cluster], stage + 1)
        named = {}
        for name, stage in stages.items():
            cluster = self._clusters[name]
            named[name] = cluster if count[cluster] == 1 else f"{cluster}/stage_{stage}"
        return {name: f"{stage}/program" for name, stage in named.items()}

    def _find_outputs(self, stage_of: dict[str, str]) -> dict[str, list[str]]:
        """Returns the tensors of each program that others read; handles are read past them."""
        outputs: dict[str, dict[str, None]] = defaultdict(dict)
        for name, node in self._nodes.items():
            rename_inputs(node, lambda i, to=name: [self._past_handle(i, to)])
            for reference in node.input:
                source = producer(reference)
                if (
                    source in stage_of
                    and not reference.startswith("^")
                    and self._leaves(source, name)
                ):
                    outputs[stage_of[source]][tensor_name(reference)] = None
        for name in sorted(self._wanted):
            if producer(name) in stage_of:
                outputs[stage_of[producer(name)]][name] = None
        return {stage: list(names) for stage, names in outputs.items()}

    def _leaves(self, source: str, reader: str) -> bool:
        """Whether what `reader` reads of `source` comes out of a TPU computation."""
        return source in self._clusters and self._clusters.get(reader) != self._clusters[source]

    def _past_handle(self, reference: str, reader: str) -> str:
        if reference.startswith("^") or not self._leaves(producer(reference), reader):
            return reference
        if self._tensor(reference).dtype != tf.resource:
            return reference
        return self._find_handle(reference)

    def _make_part(self, stage: str, names: list[str], outputs: list[str]) -> ServedPart:
        inside = set(names)
        inputs: dict[str, None] = {}
        handles: dict[str, str] = {}
        for name in names:
            for reference in self._nodes[name].input:
                if reference.startswith("^") or producer(reference) in inside:
                    continue
                dtype = self._tensor(reference).dtype
                if dtype == tf.resource:
                    handles[tensor_name(reference)] = self._find_variable(reference, name, stage)
                elif dtype in (tf.string, tf.variant):
                    raise ValueError(
                        f"The tensor `{reference}` ({dtype.name}) goes into the TPU computation "
                        f"`{stage}`, to its op `{name}`; a TPU has no such values."
                    )
                else:
                    inputs[tensor_name(reference)] = None
        nodes = [_copy_inside(self._nodes[name], inside) for name in names]
        types = [(name, self._tensor(name).dtype.name) for name in outputs]
        return ServedPart(
            name=stage.removesuffix("/program"),
            graph_def=make_graph_def(nodes, self._source),
            inputs=tuple(inputs),
            handles=handles,
            outputs=tuple(types),
        )

    def _make_host_graph(self, stage_of: dict[str, str], parts: dict[str, ServedPart]) -> HostGraph:
        replaced = {
            name: f"{stage}:{index}" if index else stage
            for stage, part in parts.items()
            for index, (name, _) in enumerate(part.outputs)
        }

        def rename(reference: str) -> list[str]:
            stage = stage_of.get(producer(reference))
            if stage is None:
                return [reference]
            if reference.startswith("^"):
                return [f"^{stage}"] if stage in parts else []
            return [replaced[tensor_name(reference)]]

        host = [node for name, node in self._nodes.items() if name not in stage_of]
        calls = [self._make_call(stage, part) for stage, part in parts.items()]
        aliases = [self._make_alias(name, replaced) for name in sorted(self._wanted)
                   if producer(name) in stage_of]  # fmt: skip
        for node in [*host, *calls]:
            rename_inputs(node, rename)
        return HostGraph(
            graph_def=make_graph_def([*host, *calls, *aliases], self._source),
            parts=parts,
            feeders={call.name: tuple(i for i in call.input if i[0] != "^") for call in calls},
        )

    def _make_call(self, stage: str, part: ServedPart) -> Any:
        call = tf.compat.v1.NodeDef(name=stage, op="PyFunc")
        inside = [node.name for node in part.graph_def.node]
        waits = [
            reference
            for name in inside
            for reference in self._nodes[name].input
            if reference.startswith("^") and reference[1:] not in self._clusters
        ]
        set_inputs(call, [*part.inputs, *waits])
        types = [self._tensor(name).dtype.as_datatype_enum for name in part.inputs]
        call.attr["Tin"].list.SetInParent()
        call.attr["Tin"].list.type.extend(types)
        call.attr["Tout"].list.SetInParent()
        call.attr["Tout"].list.type.extend(
            tf.as_dtype(dtype).as_datatype_enum for _, dtype in part.outputs
        )
        return call

    def _make_alias(self, name: str, replaced: dict[str, str]) -> Any:
        """Returns a node that gives what was wanted of a program under its old name."""
        node, index = slot(name)
        if index or name not in replaced:
            raise ValueError(f"The tensor `{name}` inside a TPU computation cannot be asked for.")
        alias = tf.compat.v1.NodeDef(name=node, op="Identity", input=[replaced[name]])
        alias.attr["T"].type = self._tensor(name).dtype.as_datatype_enum
        return alias

    def _tensor(self, reference: str) -> tf.Tensor:
        return self._graph.get_tensor_by_name(tensor_name(reference))

    def _find_handle(self, reference: str) -> str:
        """Returns where a resource is from, past what only passes it on."""
        node = self._nodes[producer(reference)]
        while node.op in ("Identity", "Enter", "Switch", "RefEnter"):
            reference = node.input[0]
            node = self._nodes[producer(reference)]
        return reference

    def _find_variable(self, reference: str, reader: str, stage: str) -> str:
        node = self._nodes[producer(self._find_handle(reference))]
        if node.op != _HANDLE:
            raise ValueError(
                f"The op `{reader}` of the TPU computation `{stage}` reads `{node.name}`, a "
                f"resource of type {node.op}; a TPU has variables only."
            )
        return node.name


def _make_identity(node: Any) -> None:
    if len([i for i in node.input if not i.startswith("^")]) != 1:
        raise ValueError(
            f"The TPU computation at `{node.name}` is for several replicas; a model that is served "
            "runs on one. Export it with num_shards=1 in its own tpu.rewrite or tpu.replicate."
        )
    dtype = node.attr["T"].type
    node.op = "Identity"
    node.attr.clear()
    node.attr["T"].type = dtype


def _copy_inside(node: Any, inside: set[str]) -> Any:
    copied = type(node)()
    copied.CopyFrom(node)
    set_inputs(copied, [i for i in node.input if not i.startswith("^") or i[1:] in inside])
    return copied


def _import(nodes: Iterable[Any], source: tf.compat.v1.GraphDef) -> tf.Graph:
    """Returns a graph that knows the types of all tensors."""
    graph = tf.Graph()
    with graph.as_default():
        try:
            tf.compat.v1.import_graph_def(make_graph_def(nodes, source), name="")
        except (ValueError, tf.errors.OpError) as error:
            raise ValueError(
                f"The {{serve, tpu}} graph cannot be read by TensorFlow {tf.__version__}: "
                f"{explain(error)}"
            ) from error
    return graph


def _is_on_host(node: Any) -> bool:
    """Whether a node with the mark of a TPU computation is run by the host all the same."""
    # What outside_compilation makes of strings leaves the computation through an Identity.
    passes_strings = node.op == "Identity" and node.attr["T"].type == tf.string.as_datatype_enum
    return node.op in _ON_HOST or OUTSIDE in node.attr or passes_strings
