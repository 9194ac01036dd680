"""Finds what of a traced model runs on the host, in the input, before each step.

Strings, sparse tensors and lookup tables exist only on a host. Whatever works on them belongs to
the host's part, with all that it is computed from, if that is the batch and nothing that only the
devices have. Tensors go from the host's part to the devices' where they are dense, of static shape,
and of numbers.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.lowering.collectives import is_collective
from tfx_tpu_estimator.lowering.host_side import is_host_only
from tfx_tpu_estimator.lowering.node_references import producer, tensor_name
from tfx_tpu_estimator.lowering.tf_internals_outside import is_outside
from tfx_tpu_estimator.lowering.tf_internals_tracing import list_device_ops
from tfx_tpu_estimator.lowering.trace import TracedModel
from tfx_tpu_estimator.lowering.unsupported import (
    check_ops,
    describe_outside,
    find_line,
    list_functions,
    needs_strings,
    unsupported_op_error,
)

# Random numbers that a restart could not draw again, and what has a state of its own.
_NOT_IN_INPUT = re.compile(
    r"^(Random|Multinomial|TruncatedNormal|ParameterizedTruncated|StatefulRandom|StatefulUniform|"
    r"SampleDistorted|(Temporary)?Variable(V2)?$|VarHandleOp)|"
    r"CandidateSampler|Iterator|Dataset|Reader|Queue|Summary"
)
_NEVER_SENT = (tf.string, tf.variant, tf.resource)
# Of ops that nothing but the order of steps depends on, those that do something.
_EFFECT = re.compile(r"LookupTable(Insert|Remove|Import)|PyFunc")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitSource:
    """What is known of a graph that is to be divided.

    Attributes:
      graph: The graph.
      handles: Names of the ops that make the handles of variables.
      position: Name of the op that gives step and replica; None if there is none.
      inputs: Names of the ops of the batch.
      host_inputs: Names of ops that belong to the host whatever they are.
      padded: By name of a tensor that the host computes in rows of any width, what fills them up.
      kept: Names of tensors that stay on the host whatever their shape.
      any_batch: Whether the first dimension of what goes to the devices may be unknown.
      outside: Whether the devices' part may hold what `tpu.outside_compilation` built, which the
        TPU runtime, not the devices, will run.
      batch_size: Examples of one replica; None if that is not known.
    """

    graph: tf.Graph
    handles: frozenset[str]
    position: str | None
    inputs: frozenset[str]
    host_inputs: frozenset[str]
    padded: Mapping[str, float]
    kept: frozenset[str] = frozenset()
    any_batch: bool = False
    outside: bool = False
    batch_size: int | None = None


def describe_source(traced: TracedModel) -> SplitSource:
    """Returns what is known of the graph of a traced model."""
    return SplitSource(
        graph=traced.graph,
        handles=frozenset(v.handle.op.name for v in traced.variables),
        position=traced.position.op.name,
        inputs=frozenset(tensor.op.name for tensor in traced.inputs),
        host_inputs=frozenset(producer(name) for name in traced.host_inputs),
        padded=traced.padded,
        batch_size=traced.batch_size,
    )


class HostSplit:
    """Divides a graph between host and devices.

    Args:
      source: The graph.
      graph_def: What of its graph runs, without what is only there to tell somebody something.
      fetched: Names of the nodes whose results a step needs.

    Attributes:
      required: Names of the nodes that only the host can run.
      assumed: Names of tensors that cross on the assumption of a row for each example.

    Raises:
      ValueError: Such a node needs what only the devices have; names it, the line that made it,
        and the way out.
    """

    def __init__(
        self, source: SplitSource, graph_def: tf.compat.v1.GraphDef, fetched: Iterable[str]
    ):
        self._source = source
        self._graph_def = graph_def
        self._fetched = list(fetched)
        self._nodes = {node.name: node for node in graph_def.node}
        self._roots: dict[str, str | None] = {}
        self.assumed: set[str] = set()
        self.required = self._find_required()
        self._add_consumers()

    @functools.cached_property
    def _whole(self) -> dict[str, Any]:
        """All nodes of the traced graph, checks included."""
        return {node.name: node for node in self._source.graph.as_graph_def().node}

    def list_device_nodes(self) -> list[str]:
        """Returns the names of the nodes that the devices run, in the order of the graph."""
        reached: set[str] = set()
        waiting = list(self._fetched)
        while waiting:
            name = waiting.pop()
            if name in reached or name in self.required:
                continue
            reached.add(name)
            waiting.extend(producer(i) for i in self._nodes[name].input)
        return [name for name in self._nodes if name in reached]

    def list_crossing(self, device_nodes: Iterable[str]) -> list[tf.Tensor]:
        """Returns the tensors that go from the host to the devices, in the order of the graph."""
        crossing: dict[str, tf.Tensor] = {}
        for name in device_nodes:
            for reference in self._nodes[name].input:
                if not reference.startswith("^") and producer(reference) in self.required:
                    tensor = self._tensor(reference)
                    crossing[tensor.name] = tensor
        return list(crossing.values())

    def can_enter(self, tensor: tf.Tensor) -> bool:
        """Whether the devices can take a tensor; if not, only what is outside of them reads it."""
        return tensor.name in self.assumed or self._can_cross(tensor)

    def list_effects(self, device_nodes: Iterable[str]) -> list[tf.Operation]:
        """Returns the host's ops that only the order of steps depends on and that do something."""
        awaited = {
            producer(reference)
            for name in device_nodes
            for reference in self._nodes[name].input
            if reference.startswith("^") and producer(reference) in self.required
        }
        chosen = [n for n in self._nodes if n in awaited and _EFFECT.search(self._nodes[n].op)]
        return [self._source.graph.get_operation_by_name(name) for name in chosen]

    def find_device_root(self, name: str) -> str | None:
        """Returns the name of something of the devices that a node is computed from, or None."""
        waiting = [name]
        while waiting:
            current = waiting[-1]
            if current in self._roots:
                waiting.pop()
                continue
            node = self._whole[current]
            if self._is_root(node):
                self._roots[current] = current
                continue
            sources = [producer(i) for i in node.input if not i.startswith("^")]
            missing = [s for s in sources if s not in self._roots]
            if missing:
                waiting.extend(missing)
                continue
            self._roots[current] = next((r for r in map(self._roots.get, sources) if r), None)
        return self._roots[name]

    def _is_root(self, node: Any) -> bool:
        if node.name in self._source.handles or node.name == self._source.position:
            return True
        return bool(_NOT_IN_INPUT.search(node.op)) or is_collective(node)

    def _find_required(self) -> set[str]:
        """Returns what no device can run, and the last op before a tensor of padded rows."""
        feeds = self._source.inputs | self._source.handles | {self._source.position or ""}
        required = set(self._source.host_inputs & self._nodes.keys())
        required |= {producer(name) for name in self._source.padded} & self._nodes.keys()
        known = list_device_ops() | {f.signature.name for f in self._graph_def.library.function}
        known |= {"SegmentSum"}  # it is rewritten, where it can be
        unknown = _find_functions(self._graph_def, lambda node: node.op not in known)
        with_strings = _find_functions(self._graph_def, needs_strings)

        def lacks_kernel(node: Any) -> bool:
            if node.op == "SegmentSum":
                return self._tensor(node.input[1]).shape.num_elements() is None
            return node.op not in known or bool(unknown.intersection(_list_called(node)))

        def has_strings(node: Any) -> bool:
            return needs_strings(node) or bool(with_strings.intersection(_list_called(node)))

        # An op that works on strings says more than the constant that it reads.
        for is_impossible in (lacks_kernel, has_strings):
            found = [n for n in self._graph_def.node if n.name not in feeds and is_impossible(n)]
            found = [n for n in found if not self._is_left_to_runtime(n)]
            for node in found:
                self._validate(node)
            required |= {node.name for node in found}
        return required

    def _is_left_to_runtime(self, node: Any) -> bool:
        if not (self._source.outside and is_outside(node)):
            return False
        return self.find_device_root(node.name) is not None

    def _validate(self, node: Any) -> None:
        root = self.find_device_root(node.name)
        if root is None:
            return
        called = {f.signature.name for f in self._graph_def.library.function}
        if called.intersection(_list_called(node)):
            # Names the op inside.
            alone = tf.compat.v1.GraphDef(node=[node], library=self._graph_def.library)
            check_ops(self._source.graph, alone, set())
        suffix = " (string)" if needs_strings(node) and node.op in list_device_ops() else ""
        reason = "" if root == node.name else f" It depends on {self._describe_root(root)}."
        reason += describe_outside(node)
        line = find_line(self._source.graph, node.name)
        raise unsupported_op_error(node.op + suffix, node.name, line, reason)

    def _describe_root(self, root: str) -> str:
        if root == self._source.position:
            return "random numbers of the device, or on the replica or step"
        what = "variable" if root in self._source.handles else f"op ({self._whole[root].op})"
        return f"{what} `{root}`, which the host's input does not have"

    def _add_consumers(self) -> None:
        """Adds to `required` what reads tensors that cannot go to a device as they are."""
        consumers: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for node in self._graph_def.node:
            for reference in node.input:
                if not reference.startswith("^"):
                    consumers[producer(reference)].append((node.name, reference))
        waiting = sorted(self.required)
        while waiting:
            for name, reference in consumers[waiting.pop()]:
                tensor = self._tensor(reference)
                if name in self.required or self._can_cross(tensor):
                    continue
                if self._is_left_to_runtime(self._nodes[name]):
                    continue
                root = self.find_device_root(name)
                if root is not None and self._has_unknown_rows(tensor):
                    self.assumed.add(tensor.name)
                    continue
                if root is not None:
                    raise self._crossing_error(tensor, self._describe_root(root))
                self.required.add(name)
                waiting.append(name)
        # What cross after all have their shapes asked for where these must be known: there.
        self.required -= {
            node.name
            for node in self._graph_def.node
            if node.op in ("Shape", "ShapeN") and self._crosses(node.input)
        }
        for name in self._fetched:
            if name in self.required:
                tensor = self._source.graph.get_operation_by_name(name).inputs[0]
                raise self._output_error(tensor)

    def _can_cross(self, tensor: tf.Tensor) -> bool:
        if tensor.dtype in _NEVER_SENT:
            return False
        if tensor.name in self._source.padded:
            return True
        if tensor.name in self._source.kept or tensor.shape.rank is None:
            return False
        return (tensor.shape[1:] if self._source.any_batch else tensor.shape).is_fully_defined()

    def _crosses(self, references: Iterable[str]) -> bool:
        data = [reference for reference in references if not reference.startswith("^")]
        return any(self._tensor(reference).name in self.assumed for reference in data)

    def _has_unknown_rows(self, tensor: tf.Tensor) -> bool:
        """Whether a tensor can cross if it has a row per example, which the host then checks."""
        if self._source.batch_size is None or tensor.dtype in _NEVER_SENT:
            return False
        return bool(tensor.shape.rank) and tensor.shape[1:].is_fully_defined()

    def _output_error(self, tensor: tf.Tensor) -> ValueError:
        if tensor.dtype not in _NEVER_SENT:
            return self._crossing_error(tensor, "nothing that a device computes")
        line = find_line(self._source.graph, tensor.op.name)
        return ValueError(
            f"Op `{tensor.op.name}` ({tensor.dtype.name}), made at {line}, is among what the "
            "model_fn returns, and a TPU has no such values. Return numbers: predictions come in "
            "the order of the input, so that strings of the input can be joined to them by their "
            "position; metrics and host_call can make strings of numbers on the host."
        )

    def _crossing_error(self, tensor: tf.Tensor, what: str) -> ValueError:
        line = find_line(self._source.graph, tensor.op.name)
        if tensor.dtype in _NEVER_SENT:
            kind = f"{tensor.op.type} ({tensor.dtype.name})"
            reason = f" Its result is needed together with {what}."
            return unsupported_op_error(kind, tensor.op.name, line, reason)
        return ValueError(
            f"Op `{tensor.op.name}` of type {tensor.op.type}, made at {line}, runs on the host and "
            f"has a result of shape {tensor.shape}, which depends on data and is needed on the "
            f"device together with {what}. Give it a static shape: pad it to a fixed size, or "
            "reduce it, with tf.sparse.reduce_sum or an embedding for instance."
        )

    def _tensor(self, reference: str) -> tf.Tensor:
        return self._source.graph.get_tensor_by_name(tensor_name(reference))


def list_host_nodes(
    nodes: dict[str, Any], wanted: Iterable[str], split: HostSplit, given: set[str]
) -> dict[str, list[str]]:
    """Returns what the host runs for `wanted`: nodes, each with the inputs that it keeps.

    Checks of the batch stay. What is only awaited and belongs to the devices, or tells somebody
    something, does not.

    Args:
      nodes: All nodes by name.
      wanted: Names.
      split: Knows what belongs to the devices.
      given: Names of nodes that are there already.
    """
    taken: dict[str, list[str]] = {}
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name in taken or name in given:
            continue
        node = nodes[name]
        taken[name] = [
            reference
            for reference in node.input
            if not reference.startswith("^") or _may_wait(nodes[producer(reference)], split)
        ]
        waiting.extend(producer(reference) for reference in taken[name])
    return taken


def _may_wait(node: Any, split: HostSplit) -> bool:
    if is_host_only(node.op) and node.op != "Assert":
        return False
    return split.find_device_root(node.name) is None


def _list_called(node: Any) -> list[str]:
    return [node.op, *list_functions(node)]


def _find_functions(graph_def: tf.compat.v1.GraphDef, holds: Any) -> set[str]:
    """Returns the functions with a node that `holds` says yes to, directly or in a call."""
    library = {function.signature.name: function for function in graph_def.library.function}
    found = {n for n, f in library.items() if any(holds(node) for node in f.node_def)}
    grown = True
    while grown:
        more = {
            name
            for name, function in library.items()
            if name not in found
            and any(found.intersection(_list_called(node)) for node in function.node_def)
        }
        grown = bool(more)
        found |= more
    return found
