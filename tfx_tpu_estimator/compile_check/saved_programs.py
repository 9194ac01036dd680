"""The programs inside the {serve, tpu} graph of a SavedModel, for requests of a given size.

Nothing of the graph is run: the shapes of what goes into a TPU computation follow from those of a
request, as TensorFlow infers them through the part of the graph that stays on the host.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.lowering.node_references import producer, slot, tensor_name
from tfx_tpu_estimator.lowering.program import Program, StateSignature, TensorSignature
from tfx_tpu_estimator.lowering.served_program import lower_part
from tfx_tpu_estimator.skew_check.batch_sizes import choose_batch_size
from tfx_tpu_estimator.skew_check.cut import HostGraph, cut_programs
from tfx_tpu_estimator.skew_check.flatten import FlatGraph, flatten_graph
from tfx_tpu_estimator.skew_check.graph_nodes import (
    copy_node,
    find_reachable,
    make_graph_def,
    rename_inputs,
)

_HIDDEN = "__saved_model"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServedProgram:
    """One TPU computation of a SavedModel.

    Attributes:
      name: In the graph.
      program: What the compiler gets.
      batch_size: Examples of a request.
      varying: Inputs whose number of rows only a request says; taken to be `batch_size`.
      larger: Batch sizes above `batch_size` that the graph makes of requests, too.
    """

    name: str
    program: Program
    batch_size: int
    varying: tuple[str, ...]
    larger: tuple[int, ...] = ()


def lower_served_programs(metagraph: Any, batch_size: int) -> list[ServedProgram]:
    """Lowers the TPU computations that the signatures of a {serve, tpu} graph reach.

    Args:
      metagraph: The MetaGraphDef.
      batch_size: Examples of a request; where the graph allows certain sizes only, the largest of
        them that is not larger, else the smallest.

    Returns:
      The programs, in the order in which a request runs them; empty if it reaches none.

    Raises:
      ValueError: A computation cannot run on a TPU: an op, a type or a shape is not for one.
    """
    signatures = [
        signature
        for name, signature in metagraph.signature_def.items()
        if not name.startswith(_HIDDEN)
    ]
    inputs = _list_tensors(info for s in signatures for info in s.inputs.values())
    outputs = _list_tensors(info for s in signatures for info in s.outputs.values())
    flat = flatten_graph(metagraph.graph_def)
    host = cut_programs(flat, [*inputs, *outputs])
    fixed = _list_fixed_sizes(signatures)
    size = choose_batch_size(batch_size, fixed, flat.batch_rules)
    served = _Lowering(flat, host, {producer(name) for name in inputs}, size).run()
    made = {n for rule in flat.batch_rules for n in rule.sizes or (rule.largest,)}
    larger = tuple(sorted(n for n in made if n > size))
    return [dataclasses.replace(each, larger=larger) for each in served]


class _Lowering:
    """Lowers the parts of one graph, each when all that it needs of others is known.

    Args:
      flat: The graph.
      host: The same, cut.
      requests: Names of the placeholders of requests.
      size: Examples of a request.
    """

    def __init__(self, flat: FlatGraph, host: HostGraph, requests: set[str], size: int):
        self._host = host
        self._nodes = {node.name: node for node in host.graph_def.node}
        self._source = {node.name: node for node in flat.source.node} | flat.nodes
        self._requests = requests
        self._size = size
        self._outputs: dict[str, tuple[TensorSignature, ...]] = {}

    def run(self) -> list[ServedProgram]:
        waiting = list(self._host.parts)
        made: list[ServedProgram] = []
        while waiting:
            graph = self._infer_shapes()
            ready = [name for name in waiting if not self._find_needed(name) & set(waiting)]
            for name in ready:
                served = self._lower(name, graph)
                self._outputs[name] = served.program.outputs
                made.append(served)
                waiting.remove(name)
        return made

    def _find_needed(self, name: str) -> set[str]:
        reached = find_reachable(self._nodes, map(producer, self._host.feeders[name]))
        return reached - {name}

    def _lower(self, name: str, graph: tf.Graph) -> ServedProgram:
        part = self._host.parts[name]
        signatures, varying = [], []
        for tensor, feeder in zip(part.inputs, self._host.feeders[name], strict=True):
            found = graph.get_tensor_by_name(tensor_name(self._replace(feeder)[0]))
            shape, varies = self._make_static(part.name, tensor, found.shape)
            signatures.append(TensorSignature(name=tensor, shape=shape, dtype=found.dtype.name))
            if varies:
                varying.append(tensor)
        state = [self._describe_variable(node) for node in dict.fromkeys(part.handles.values())]
        return ServedProgram(
            name=part.name,
            program=lower_part(part, signatures, state),
            batch_size=self._size,
            varying=tuple(varying),
        )

    def _make_static(
        self, part: str, tensor: str, shape: tf.TensorShape
    ) -> tuple[tuple[int, ...], bool]:
        """Returns a shape and whether its number of rows had to be taken for that of a request."""
        sizes = None if shape.rank is None else shape.as_list()
        if sizes is None or None in sizes[1:]:
            raise ValueError(
                f"The TPU computation `{part}` gets `{tensor}` of shape {shape}, which does not "
                "follow from the shape of a request. A TPU program has fixed shapes: pad to a "
                "fixed size in the receiver, with tf.ensure_shape or default values in the "
                "parsing spec, and export again."
            )
        varies = bool(sizes) and sizes[0] is None
        return tuple(self._size if each is None else each for each in sizes), varies

    def _describe_variable(self, node: str) -> StateSignature:
        attributes = self._source[node].attr
        shape = tf.TensorShape(attributes["shape"].shape)
        if not shape.is_fully_defined():
            raise ValueError(f"The variable `{node}` has no fixed shape, {shape}; no TPU takes it.")
        return StateSignature(
            name=node,
            shape=tuple(size for size in shape.as_list() if size is not None),
            dtype=tf.as_dtype(attributes["dtype"].type).name,
            updated=False,
        )

    def _infer_shapes(self) -> tf.Graph:
        """Returns the host's part of the graph with the shapes of a request of the given size."""
        nodes = []
        for original in self._host.graph_def.node:
            if original.name in self._host.parts:
                nodes += self._make_results(original.name)
                continue
            node = copy_node(original)
            node.attr.pop("_output_shapes", None)
            if node.name in self._requests:
                _fill_in(node, self._size)
            rename_inputs(node, self._replace)
            nodes.append(node)
        graph = tf.Graph()
        with graph.as_default():
            tf.compat.v1.import_graph_def(make_graph_def(nodes, self._host.graph_def), name="")
        return graph

    def _make_results(self, name: str) -> list[Any]:
        """Returns placeholders for what a program returns, of the shapes that are known by now."""
        known = self._outputs.get(name)
        with tf.Graph().as_default() as graph:
            for index, (_, dtype) in enumerate(self._host.parts[name].outputs):
                shape = None if known is None else known[index].shape
                tf.compat.v1.placeholder(dtype, shape, name=_result(name, index))
        return list(graph.as_graph_def().node)

    def _replace(self, reference: str) -> list[str]:
        """Returns what a reference to a program's result is in the graph for shapes."""
        name = producer(reference)
        if name not in self._host.parts:
            return [reference]
        if not reference.startswith("^"):
            return [_result(name, slot(reference)[1])]
        return [f"^{_result(name, 0)}"] if self._host.parts[name].outputs else []


def _result(name: str, index: int) -> str:
    return f"{name}/result_{index}"


def _fill_in(node: Any, size: int) -> None:
    """Gives a placeholder the number of rows of a request, unless it has one."""
    shape = node.attr["shape"].shape
    if not shape.unknown_rank and shape.dim and shape.dim[0].size < 0:
        shape.dim[0].size = size


def _list_tensors(infos: Any) -> list[str]:
    names: list[str] = []
    for info in infos:
        if info.WhichOneof("encoding") == "coo_sparse":
            sparse = info.coo_sparse
            names += [
                sparse.values_tensor_name,
                sparse.indices_tensor_name,
                sparse.dense_shape_tensor_name,
            ]
        else:
            names.append(info.name)
    return list(dict.fromkeys(names))


def _list_fixed_sizes(signatures: list[Any]) -> list[tuple[str, int]]:
    found: Mapping[str, int] = {
        key: info.tensor_shape.dim[0].size
        for signature in signatures
        for key, info in signature.inputs.items()
        if info.tensor_shape.dim and info.tensor_shape.dim[0].size >= 0
    }
    return list(found.items())
