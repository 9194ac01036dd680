"""The part of a traced model that runs on the host, as it is put into the graph of an input."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.inputs.host_stage import StageOutput
from tfx_tpu_estimator.lowering.functions import copy_library, rename_functions
from tfx_tpu_estimator.lowering.host_split import HostSplit, list_host_nodes
from tfx_tpu_estimator.lowering.trace import TracedModel

_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostPart:
    """What the host computes of one replica's batch before each step: a `HostStage`.

    Attributes:
      traced: The model that it is a part of; Python functions that it calls live as long as that.
      sent: Names of the inputs that go to the device as they are.
      outputs: What the host adds to them.
      tensors: Those outputs in the traced graph.
      effects: Ops of the traced graph that run as well.
      nodes: What runs for that: names of nodes of the traced graph with the inputs of each.
      split: What belongs to the devices.
    """

    traced: TracedModel
    sent: tuple[str, ...]
    outputs: tuple[StageOutput, ...]
    tensors: tuple[tf.Tensor, ...]
    effects: tuple[tf.Operation, ...]
    nodes: dict[str, list[str]]
    split: HostSplit

    def install(self) -> Callable[[Sequence[tf.Tensor]], list[tf.Tensor]]:
        """Puts the model's tables into the default graph, the graph of an input.

        Returns:
          What computes the outputs of one replica's flat input; each call adds to the graph.
        """
        nodes = {node.name: node for node in self.traced.graph.as_graph_def().node}
        tables = [op for op in map(self._find_op, self.nodes) if _is_table(op)]
        handles = self._import_tables(nodes, tables)
        shared = {op.name for op in tables}
        kept = {name: inputs for name, inputs in self.nodes.items() if name not in shared}
        graph_def = self._copy(nodes, kept)

        def run(batch: Sequence[tf.Tensor]) -> list[tf.Tensor]:
            replaced = dict(zip([t.name for t in self.traced.inputs], batch, strict=True))
            names = [t.name for t in self.tensors] + [op.name for op in self.effects]
            made = _import(graph_def, {**replaced, **handles}, names, "host_part")
            outputs, effects = made[: len(self.tensors)], made[len(self.tensors) :]
            with tf.control_dependencies(effects):
                # Some shapes were only assumed.
                specs = [output.spec for output in self.outputs]
                return [
                    tf.ensure_shape(tensor, spec.shape, name="host_result")
                    for tensor, spec in zip(outputs, specs, strict=True)
                ]

        return run

    def _find_op(self, name: str) -> tf.Operation:
        return self.traced.graph.get_operation_by_name(name)

    def _import_tables(
        self, nodes: dict[str, Any], tables: Sequence[tf.Operation]
    ) -> dict[str, tf.Tensor]:
        """Imports tables with what fills them; returns handles by name in the traced graph."""
        if not tables:
            return {}
        names = {op.name for op in tables}
        initializers = []
        for op in self.traced.graph.get_collection(tf.compat.v1.GraphKeys.TABLE_INITIALIZERS):
            needed = list_host_nodes(nodes, [op.name], self.split, set())
            if names.intersection(needed):
                initializers.append(op.name)
        kept = list_host_nodes(nodes, [*names, *initializers], self.split, set())
        handles = [tensor.name for op in tables for tensor in op.outputs]
        made = _import(self._copy(nodes, kept), {}, [*handles, *initializers], "host_tables")
        for initializer in made[len(handles) :]:
            tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.TABLE_INITIALIZERS, initializer)
        return dict(zip(handles, made, strict=False))

    def _copy(self, nodes: dict[str, Any], kept: dict[str, list[str]]) -> tf.compat.v1.GraphDef:
        """Copies nodes with the inputs given for each, and the functions that they call."""
        whole = self.traced.graph.as_graph_def()
        graph_def = tf.compat.v1.GraphDef(versions=whole.versions)
        for name in nodes:
            if name not in kept:
                continue
            node = graph_def.node.add()
            node.CopyFrom(nodes[name])
            del node.input[:]
            node.input.extend(kept[name])
            node.device = ""
            node.attr.pop("_class", None)
            if node.op == "XlaOptimizationBarrier":
                node.op = "IdentityN"  # which has the same attribute, and a kernel on the host
        copy_library(whole, graph_def)
        rename_functions(graph_def, "_on_host")
        return graph_def


def make_host_part(traced: TracedModel, split: HostSplit, device_nodes: Sequence[str]) -> HostPart:
    """Describes what the host does for the devices.

    Args:
      traced: The model.
      split: How it is divided.
      device_nodes: What the devices run.

    Raises:
      ValueError: The devices would get no input at all.
    """
    reached = set(device_nodes)
    sent = tuple(
        name
        for name, tensor in zip(traced.input_names, traced.inputs, strict=True)
        if tensor.op.name in reached
    )
    tensors = tuple(split.list_crossing(device_nodes))
    if not sent and not tensors:
        raise ValueError(
            "The model_fn uses none of its features and labels: nothing would go to the devices. "
            f"Got {list(traced.input_names)}."
        )
    effects = tuple(split.list_effects(device_nodes))
    wanted = [op.name for op in (*(t.op for t in tensors), *effects)]
    nodes = {node.name: node for node in traced.graph.as_graph_def().node}
    taken = list_host_nodes(nodes, wanted, split, {t.op.name for t in traced.inputs})
    if taken:
        _logger.info(
            "%d ops of the model_fn run on the host, in the input; %d tensors go from there to "
            "the devices.", len(taken), len(tensors),
        )  # fmt: skip
    return HostPart(
        traced=traced,
        sent=sent,
        outputs=tuple(_describe(traced, split, tensor) for tensor in tensors),
        tensors=tensors,
        effects=effects,
        nodes=taken,
        split=split,
    )


def _describe(traced: TracedModel, split: HostSplit, tensor: tf.Tensor) -> StageOutput:
    shape = tensor.shape
    if tensor.name in split.assumed and shape[0] is None:
        shape = tf.TensorShape([traced.batch_size, *shape[1:]])
    return StageOutput(
        name=f"host/{tensor.name}",
        spec=tf.TensorSpec(shape, tensor.dtype),
        fill=None if shape.is_fully_defined() else traced.padded[tensor.name],
        of_batch=_depends_on(tensor.op, {t.op.name for t in traced.inputs}),
    )


def _depends_on(op: tf.Operation, names: set[str]) -> bool:
    seen: set[str] = set()
    waiting = [op]
    while waiting:
        current = waiting.pop()
        if current.name in names:
            return True
        if current.name not in seen:
            seen.add(current.name)
            waiting.extend(tensor.op for tensor in current.inputs)
    return False


def _is_table(op: tf.Operation) -> bool:
    return "HashTable" in op.type and any(t.dtype == tf.resource for t in op.outputs)


def _import(
    graph_def: tf.compat.v1.GraphDef,
    replaced: dict[str, tf.Tensor],
    returned: Iterable[str],
    name: str,
) -> list[Any]:
    read = {i for node in graph_def.node for i in node.input}
    inputs = {key: t for key, t in replaced.items() if key in read or key.split(":")[0] in read}
    return tf.compat.v1.import_graph_def(
        graph_def, input_map=inputs, return_elements=list(returned), name=name
    )
