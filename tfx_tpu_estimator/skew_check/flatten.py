"""A saved graph without the calls around its TPU computations: these become nodes of it.

A TPUPartitionedCall has no kernel on a CPU, and BatchFunction gathers requests of many clients.
Both call a function whose nodes are put in their place, under names that begin with the call's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.lowering.node_references import producer, slot
from tfx_tpu_estimator.lowering.tf_internals_functions import function_to_graph_def
from tfx_tpu_estimator.lowering.unsupported import list_functions
from tfx_tpu_estimator.skew_check.batch_sizes import BatchRule, cut_rows_graph, pad_rows_graph
from tfx_tpu_estimator.skew_check.graph_nodes import copy_node, rename_inputs, set_inputs
from tfx_tpu_estimator.skew_check.tensorflow_words import explain

REPLICATE = "_tpu_replicate"
_PARTITIONED_CALL = "TPUPartitionedCall"
_BATCH_FUNCTION = "BatchFunction"
_CALLS = (_PARTITIONED_CALL, _BATCH_FUNCTION, "PartitionedCall", "StatefulPartitionedCall")


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlatGraph:
    """Nodes of a saved graph, with no function call around a TPU computation.

    Attributes:
      nodes: By name, in order.
      source: The graph as saved, for its functions.
      aliases: For each output of a call that was replaced, what has its value now.
      batch_rules: What its BatchFunctions say about the number of rows.
    """

    nodes: dict[str, Any]
    source: tf.compat.v1.GraphDef
    aliases: dict[tuple[str, int], str]
    batch_rules: tuple[BatchRule, ...]

    def resolve(self, reference: str) -> str:
        """Returns where the tensor `reference` of the saved graph is now."""
        return self.aliases.get(slot(reference), reference)


def flatten_graph(graph_def: tf.compat.v1.GraphDef) -> FlatGraph:
    """Replaces the calls around TPU computations by what they call.

    Args:
      graph_def: The graph as saved; is left as it is.

    Returns:
      The graph.

    Raises:
      ValueError: A TPU computation is where it cannot be taken out, in a loop for instance, or the
        graph is damaged.
    """
    return _Flattener(graph_def).run()


class _Flattener:
    def __init__(self, graph_def: tf.compat.v1.GraphDef):
        self._source = graph_def
        self._library = {f.signature.name: f for f in graph_def.library.function}
        self._library_graph = _import_library(graph_def)
        self._nodes: dict[str, Any] = {node.name: copy_node(node) for node in graph_def.node}
        self._values: dict[tuple[str, int], str] = {}
        self._waits: dict[str, list[str]] = {}
        self._rules: list[BatchRule] = []
        self._holding: dict[str, bool] = {}

    def run(self) -> FlatGraph:
        waiting = list(self._nodes)
        while waiting:
            node = self._nodes[waiting.pop()]
            if self._is_call(node):
                waiting.extend(self._expand(node))
        for node in self._nodes.values():
            rename_inputs(node, self._resolve)
        return FlatGraph(
            nodes=self._nodes,
            source=self._source,
            aliases={key: self._resolve(value)[0] for key, value in self._values.items()},
            batch_rules=tuple(self._rules),
        )

    def _is_call(self, node: Any) -> bool:
        if node.op == _PARTITIONED_CALL:
            return True
        called = [node.op, *list_functions(node)]
        if not any(self._holds_tpu(name) for name in called):
            return False
        if node.op in _CALLS or node.op in self._library:
            return True
        raise ValueError(
            f"The TPU computation inside the op `{node.name}` of type {node.op} cannot be taken "
            "out: it would run a number of times that only the data says. Call the TPU "
            "computation outside of loops and conditions."
        )

    def _holds_tpu(self, name: str) -> bool:
        if name not in self._library:
            return False
        if name not in self._holding:
            self._holding[name] = False  # a function that calls itself adds nothing
            self._holding[name] = any(
                node.op == _PARTITIONED_CALL
                or REPLICATE in node.attr
                or any(self._holds_tpu(f) for f in [node.op, *list_functions(node)])
                for node in self._library[name].node_def
            )
        return self._holding[name]

    def _expand(self, call: Any) -> list[str]:
        """Puts a function in the place of its call; returns the names of the nodes added."""
        function = self._find_called(call)
        body, tensors = self._take_apart(call, function)
        arguments = [i for i in call.input if not i.startswith("^")]
        waits = [i for i in call.input if i.startswith("^")]
        if call.op == _PARTITIONED_CALL:
            arguments = arguments[:-1]  # the last one says which core
        del self._nodes[call.name]
        added: list[str] = []
        if call.op == _BATCH_FUNCTION:
            self._rules.append(BatchRule.read(call))
        sizes = self._rules[-1].sizes if call.op == _BATCH_FUNCTION else ()
        unpadded = list(arguments)
        if sizes:
            arguments = self._pad(call, sizes, arguments, added)
        given = {a.name: r for a, r in zip(function.signature.input_arg, arguments, strict=True)}
        prefix = self._free_prefix(f"{call.name}/body")
        added += self._add_body(body.node, prefix, given, waits)
        returned = [
            _place(tensors[function.ret[a.name]], prefix, given)
            for a in function.signature.output_arg
        ]
        self._waits[call.name] = [
            *(f"^{producer(r)}" for r in returned),
            *(f"^{prefix}/{function.control_ret[c]}" for c in function.control_ret),
        ]
        if sizes:
            returned = self._cut(call, function, [*returned, unpadded[0]], added)
        for index, reference in enumerate(returned):
            self._values[(call.name, index)] = reference
        return added

    def _find_called(self, call: Any) -> Any:
        name = call.op if call.op in self._library else call.attr["f"].func.name
        if name not in self._library:
            raise ValueError(f"The op `{call.name}` calls `{name}`, which the model does not have.")
        return self._library[name]

    def _pad(
        self, call: Any, sizes: Sequence[int], arguments: list[str], added: list[str]
    ) -> list[str]:
        """Fills the rows of a batch up to a size that is allowed."""
        batched = [tf.as_dtype(t) for t in call.attr["Tin"].list.type]
        built = pad_rows_graph(batched, sizes)
        padded = self._add_rows_graph(call, "pad", built, arguments[: len(batched)], added)
        return [*padded, *arguments[len(batched) :]]

    def _cut(self, call: Any, function: Any, tensors: list[str], added: list[str]) -> list[str]:
        """Takes what was filled up away again; the last of `tensors` has the rows to keep."""
        dtypes = [tf.as_dtype(a.type) for a in function.signature.output_arg]
        built = cut_rows_graph(dtypes, tf.as_dtype(call.attr["Tin"].list.type[0]))
        return self._add_rows_graph(call, "cut", built, tensors, added)

    def _take_apart(self, call: Any, function: Any) -> tuple[tf.compat.v1.GraphDef, dict[str, str]]:
        try:
            return function_to_graph_def(self._library_graph, function)
        except (KeyError, RuntimeError, ValueError, tf.errors.OpError) as error:
            raise ValueError(
                f"The function that the op `{call.name}` of {{serve, tpu}} calls cannot be read by "
                f"TensorFlow {tf.__version__}: {explain(error)} If the model has ops of a library "
                "of its own, load that first, with tf.load_op_library."
            ) from error

    def _add_rows_graph(
        self,
        call: Any,
        what: str,
        built: tuple[Any, list[str], list[str]],
        arguments: list[str],
        added: list[str],
    ) -> list[str]:
        graph_def, inputs, outputs = built
        prefix = self._free_prefix(f"{call.name}/{what}")
        given = dict(zip(inputs, arguments, strict=True))
        added += self._add_body(graph_def.node, prefix, given, [])
        return [_place(name, prefix, given) for name in outputs]

    def _add_body(
        self, nodes: Iterable[Any], prefix: str, given: dict[str, str], waits: list[str]
    ) -> list[str]:
        added = []
        for original in nodes:
            if original.name in given:
                continue
            node = copy_node(original)
            node.name = f"{prefix}/{original.name}"
            if REPLICATE in node.attr:
                node.attr[REPLICATE].s = f"{prefix}/".encode() + node.attr[REPLICATE].s
            if "frame_name" in node.attr:
                node.attr["frame_name"].s = f"{prefix}/".encode() + node.attr["frame_name"].s
            rename_inputs(node, lambda reference: [_place(reference, prefix, given)])
            if waits and not node.input and node.op != "Const":
                set_inputs(node, waits)
            self._nodes[node.name] = node
            added.append(node.name)
        return added

    def _free_prefix(self, wanted: str) -> str:
        prefix, number = wanted, 1
        while any(name.startswith(f"{prefix}/") for name in self._nodes):
            prefix, number = f"{wanted}_{number}", number + 1
        return prefix

    def _resolve(self, reference: str) -> list[str]:
        """Returns what a reference is, now that calls are gone."""
        if reference.startswith("^"):
            name = reference[1:]
            if name in self._waits:
                return [r for wait in self._waits[name] for r in self._resolve(wait)]
            return [reference]
        while slot(reference) in self._values:
            reference = self._values[slot(reference)]
        return [reference]


def _place(reference: str, prefix: str, given: dict[str, str]) -> str:
    """Returns what a reference of a function's body is in the graph around it."""
    is_wait = reference.startswith("^")
    name, index = slot(reference.lstrip("^"))
    if name in given:
        return f"^{producer(given[name])}" if is_wait else given[name]
    if is_wait:
        return f"^{prefix}/{name}"
    return f"{prefix}/{name}:{index}" if index else f"{prefix}/{name}"


def _import_library(graph_def: tf.compat.v1.GraphDef) -> tf.Graph:
    """Returns a graph that has all functions of the saved one."""
    alone = tf.compat.v1.GraphDef(versions=graph_def.versions, library=graph_def.library)
    graph = tf.Graph()
    with graph.as_default():
        tf.compat.v1.import_graph_def(alone, name="")
    return graph
