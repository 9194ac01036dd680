"""Ops between replicas: an Identity with a mark while tracing, XLA's own op in the program.

A real XlaAllReduce has no CPU kernel and a Session extends its whole graph before every run, so
that one of them would break even `session.run(initializer)`. The mark is also how one can tell
whether the optimizer was wrapped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.lowering.tf_internals_tracing import OpHandler, marked_identity

_MARK = "_tfx_tpu_all_reduce"
# What XlaAllReduce takes (CrossReplicaSum would take float64 as well).
_SUMMED = (tf.float16, tf.bfloat16, tf.float32, tf.int32, tf.uint32)


def _all_reduce(x: Any, groups: Sequence[Sequence[int]], name: str) -> tf.Tensor:
    x = tf.convert_to_tensor(x)  # a sparse gradient becomes a dense one, as on TPUs
    if x.dtype not in _SUMMED:
        raise TypeError(
            f"cross_replica_sum of `{x.name}` with dtype {x.dtype.name}: replicas can sum only "
            f"{', '.join(t.name for t in _SUMMED)}. Cast it first."
        )
    value = json.dumps(groups).encode()

    def reduce(part: tf.Tensor) -> tf.Tensor:
        return marked_identity(part, attribute=_MARK, value=value, name=name)

    @tf.custom_gradient
    def reduce_both_ways(part: tf.Tensor) -> Any:
        # Each replica's part is in every replica's sum, so that gradients are summed as well.
        return reduce(part), reduce

    return reduce_both_ways(x)


def _as_array(value: Any) -> np.ndarray:
    return np.asarray(tf.get_static_value(value) if tf.is_tensor(value) else value)


class Collectives:
    """Makes the ops between the replicas of one traced model.

    Args:
      num_replicas: How many replicas there are.
      replica_id: int64 scalar of the traced graph.
    """

    def __init__(self, num_replicas: int, replica_id: tf.Tensor):
        self._num_replicas = num_replicas
        self._replica_id = replica_id

    def handlers(self) -> dict[str, OpHandler]:
        """Returns what builds each op between replicas, for `replace_ops`."""
        return {
            "CrossReplicaSum": self._cross_replica_sum,
            "AllToAll": self._all_to_all,
            "CollectivePermute": self._collective_permute,
            "XlaReplicaId": self._build_replica_id,
        }

    def _build_replica_id(self, op_type: str, name: str, arguments: dict[str, Any]) -> tf.Tensor:
        del op_type, arguments
        return tf.cast(self._replica_id, tf.int32, name=name)

    def _cross_replica_sum(self, op_type: str, name: str, arguments: dict[str, Any]) -> tf.Tensor:
        del op_type
        return _all_reduce(arguments["input"], self._read_groups(arguments), name)

    def _read_groups(self, arguments: dict[str, Any]) -> list[list[int]]:
        """Returns group_assignment, checked, as lists of replica ids."""
        groups = _as_array(arguments["group_assignment"])
        if groups.ndim != 2 or sorted(groups.ravel()) != list(range(self._num_replicas)):
            raise ValueError(
                f"`group_assignment` must be a constant [groups, replicas per group] that holds "
                f"each of the {self._num_replicas} replicas once; got {groups.tolist()}."
            )
        return groups.tolist()

    def _gather_replicas(self, x: tf.Tensor) -> tf.Tensor:
        """Returns every replica's `x`, stacked: [replicas, ...]."""
        # A sum in which each replica fills its own row: XLA has no gather that TensorFlow lowers.
        own = tf.equal(tf.range(self._num_replicas, dtype=tf.int64), self._replica_id)
        own = tf.reshape(own, [self._num_replicas] + [1] * x.shape.rank)
        rows = tf.where(own, x[None], tf.zeros_like(x)[None])
        return _all_reduce(rows, [list(range(self._num_replicas))], "GatherReplicas")

    def _all_to_all(self, op_type: str, name: str, arguments: dict[str, Any]) -> tf.Tensor:
        """Sends the i-th part of `input` to the i-th replica of the group, joins what arrives."""
        del op_type
        groups = self._read_groups(arguments)
        count, split_axis = arguments["split_count"], arguments["split_dimension"]
        if count != len(groups[0]):
            raise ValueError(
                f"all_to_all: `split_count` must be the group size {len(groups[0])}; got {count}."
            )
        members = np.zeros([self._num_replicas, count], np.int32)
        place = np.zeros([self._num_replicas], np.int32)
        for group in groups:
            members[group] = group
            place[group] = np.arange(count)
        with tf.compat.v1.name_scope(name):
            x = tf.convert_to_tensor(arguments["input"])
            sent = tf.gather(self._gather_replicas(x), tf.gather(members, self._replica_id))
            parts = tf.stack(tf.split(sent, count, axis=split_axis + 1))
            mine = tf.gather(parts, tf.gather(place, self._replica_id))
            return tf.concat(tf.unstack(mine, num=count), axis=arguments["concat_dimension"])

    def _collective_permute(self, op_type: str, name: str, arguments: dict[str, Any]) -> tf.Tensor:
        """Gives each replica the `input` of its source, and zeros to one without a source."""
        del op_type
        pairs = _as_array(arguments["source_target_pairs"])
        source = np.full([self._num_replicas], -1, np.int32)
        source[pairs[:, 1]] = pairs[:, 0]
        with tf.compat.v1.name_scope(name):
            x = tf.convert_to_tensor(arguments["input"])
            mine = tf.gather(source, self._replica_id)
            received = tf.gather(self._gather_replicas(x), tf.maximum(mine, 0))
            return tf.where(mine >= 0, received, tf.zeros_like(received))


def _list_nodes(graph_def: tf.compat.v1.GraphDef) -> Iterator[tuple[Any, bool]]:
    """Yields each repeated field of nodes, and whether it is a function's."""
    yield graph_def.node, False
    for function in graph_def.library.function:
        yield function.node_def, True


def has_collectives(graph_def: tf.compat.v1.GraphDef) -> bool:
    """Whether anything is summed over replicas."""
    return any(is_collective(node) for nodes, _ in _list_nodes(graph_def) for node in nodes)


def is_collective(node: Any) -> bool:
    """Whether a node of a traced graph is a sum over replicas."""
    return _MARK in node.attr


def rewrite_collectives(graph_def: tf.compat.v1.GraphDef) -> None:
    """Turns each marked Identity of `graph_def` into an XlaAllReduce, in place.

    The mode is CrossReplica: CrossReplicaAndPartition gives all of them one channel, and XLA
    rejects programs with all-reduces of one channel that depend on each other.
    """
    for nodes, in_function in _list_nodes(graph_def):
        for node in [n for n in nodes if _MARK in n.attr]:
            groups = nodes.add(name=f"{node.name}/group_assignment", op="Const")
            groups.attr["dtype"].type = tf.int32.as_datatype_enum
            value = np.asarray(json.loads(node.attr[_MARK].s), np.int32)
            groups.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
            # Nodes of a function name their inputs' output arguments as well.
            source = f"{groups.name}:output:0" if in_function else groups.name
            inputs = [node.input[0], source, *node.input[1:]]
            _become_all_reduce(node, inputs)


def _become_all_reduce(node: Any, inputs: list[str]) -> None:
    # Readers need no change: Identity and XlaAllReduce both call their only output `output`.
    dtype = node.attr["T"].type
    node.op = "XlaAllReduce"
    del node.input[:]
    node.input.extend(inputs)
    node.attr.clear()
    node.attr["T"].type = dtype
    node.attr["reduce_op"].s = b"Add"
    node.attr["mode"].s = b"CrossReplica"
