"""A model for serving, divided: what only a host can do, and the rest in a TPU computation."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.lowering.extract import drop_nodes, keep_nodes, keep_reachable
from tfx_tpu_estimator.lowering.host_side import (
    prune_host_ops,
    warn_of_pruned,
    warn_of_unreached,
)
from tfx_tpu_estimator.lowering.host_split import HostSplit, SplitSource
from tfx_tpu_estimator.lowering.model_fn import resource_variables
from tfx_tpu_estimator.lowering.sparse_lookup import LookupScope, dense_lookups
from tfx_tpu_estimator.lowering.static_forms import join_tables
from tfx_tpu_estimator.lowering.tf_internals_embedding import columns_on_host
from tfx_tpu_estimator.lowering.tf_internals_outside import is_outside, mark_for_runtime
from tfx_tpu_estimator.lowering.tf_internals_tracing import (
    device_computation,
    joined_tables,
    list_device_ops,
)
from tfx_tpu_estimator.lowering.unsupported import list_functions, needs_strings, walk_nodes

# What stands around a TPU computation in a graph.
_FRAME = ("Placeholder", "NoOp", "VarHandleOp")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServingPart:
    """What of a graph goes into a TPU computation.

    Attributes:
      graph_def: Its nodes.
      crossing: Tensors of the graph that go into it.
      captured: Handles of the variables that it reads, and what only ops outside of the compilation
        read: strings, tables.
      outputs: Names of the tensors that it returns.
    """

    graph_def: tf.compat.v1.GraphDef
    crossing: tuple[tf.Tensor, ...]
    captured: tuple[tf.Tensor, ...]
    outputs: tuple[str, ...]

    def compute(self, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Adds it to the function that is being built; takes and returns as above."""
        graph = tf.compat.v1.get_default_graph()
        mapped = {t.name: x for t, x in zip(self.crossing, inputs, strict=True)}
        mapped |= {tensor.name: graph.capture(tensor) for tensor in self.captured}
        return tf.compat.v1.import_graph_def(
            self.graph_def, input_map=mapped, return_elements=list(self.outputs), name="model"
        )


@contextlib.contextmanager
def divisible_model(padded: dict[str, float]) -> Iterator[None]:
    """Builds what is called inside in the default graph so that it can be divided.

    Args:
      padded: Is filled with the tensors that the host computes in rows of any width.
    """
    graph = tf.compat.v1.get_default_graph()
    scope = LookupScope(graph, None, any_batch=True, padded=padded)
    with (
        device_computation(1),
        joined_tables(join_tables),
        dense_lookups(scope),
        columns_on_host(True),
        resource_variables(),
    ):
        yield


def divide_for_serving(
    features: Any,
    outputs: Sequence[tf.Tensor],
    before: frozenset[str],
    padded: dict[str, float],
) -> ServingPart:
    """Divides a model that was built in the default graph.

    Args:
      features: What it was called with, nested.
      outputs: What it returns.
      before: Names of the ops that were there before the model; the host's.
      padded: What `divisible_model` filled.

    Returns:
      What goes into a TPU computation; the host's part stays where it is.

    Raises:
      ValueError: Something that only a host can do depends on what only a TPU has.
    """
    graph = tf.compat.v1.get_default_graph()
    variables = tf.compat.v1.global_variables() + tf.compat.v1.local_variables()
    handles = {v.handle.op.name: v.handle for v in variables}
    fetched = [tensor.op.name for tensor in outputs]
    graph_def = keep_reachable(graph.as_graph_def(), fetched)
    warn_of_unreached(graph, graph_def)
    pruned = prune_host_ops(graph, graph_def, fetched)
    graph_def = keep_reachable(graph_def, fetched)
    source = SplitSource(
        graph=graph,
        handles=frozenset(handles),
        position=None,
        inputs=frozenset(),
        host_inputs=before - handles.keys(),
        padded=padded,
        kept=frozenset(_list_sparse_parts(features)),
        any_batch=True,
        outside=True,
    )
    split = HostSplit(source, graph_def, fetched)
    warn_of_pruned([op for op in pruned if op.name not in split.required])
    nodes = split.list_device_nodes()
    device_graph_def = drop_nodes(keep_nodes(graph_def, nodes), set(handles))
    mark_for_runtime(device_graph_def)
    crossing = split.list_crossing(nodes)
    read = [handles[name] for name in nodes if name in handles]
    return ServingPart(
        graph_def=device_graph_def,
        crossing=tuple(t for t in crossing if split.can_enter(t)),
        captured=(*read, *(t for t in crossing if not split.can_enter(t))),
        outputs=tuple(tensor.name for tensor in outputs),
    )


def _list_sparse_parts(features: Any) -> list[str]:
    """Returns the names of the tensors that sparse and ragged features consist of."""
    leaves = [leaf for leaf in tf.nest.flatten(features) if not isinstance(leaf, tf.Tensor)]
    return [tensor.name for tensor in tf.nest.flatten(leaves, expand_composites=True)]


def find_host_op(graph: tf.Graph) -> tf.Operation | None:
    """Returns an op of a TPU computation that no TPU can run, if there is one.

    What is inside `tpu.outside_compilation` need not run there.
    """
    graph_def = graph.as_graph_def()
    known = list_device_ops() | {f.signature.name for f in graph_def.library.function}

    def is_impossible(node: Any) -> bool:
        return not is_outside(node) and (node.op not in known or needs_strings(node))

    for node in graph_def.node:
        if node.op in _FRAME or node.op.startswith("TPU") or is_outside(node):
            continue
        nodes = [node]
        if list_functions(node):
            alone = tf.compat.v1.GraphDef(node=nodes, library=graph_def.library)
            nodes = [inner for inner, _ in walk_nodes(graph, alone)]
        if any(is_impossible(inner) for inner in nodes):
            return graph.get_operation_by_name(node.name)
    return None


def is_text_of_host(tensor: tf.Tensor) -> bool:
    """Whether an output is of strings that no variable has a part in: the host's alone."""
    if tensor.dtype != tf.string:
        return False
    seen: set[tf.Operation] = set()
    waiting = [tensor.op]
    while waiting:
        op = waiting.pop()
        if op.type == "VarHandleOp":
            return False
        if op not in seen:
            seen.add(op)
            waiting.extend(t.op for t in op.inputs)
    return True
