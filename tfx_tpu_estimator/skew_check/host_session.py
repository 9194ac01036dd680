"""A session of a saved graph: variables restored, tables filled, as a server would."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.lowering.node_references import producer, tensor_name
from tfx_tpu_estimator.skew_check.graph_nodes import find_reachable
from tfx_tpu_estimator.skew_check.saved_graphs import describe_tags, variables_prefix
from tfx_tpu_estimator.skew_check.tensorflow_words import explain

_MAIN_OPS = ("saved_model_main_op", "legacy_init_op")
_INIT_SIGNATURE = "__saved_model_init_op"


class HostSession:
    """Runs a saved graph in TensorFlow on the CPU.

    Args:
      directory: Of the SavedModel.
      metagraph: Its metagraph.
      graph_def: What to run of it; its nodes have the names of the metagraph's.

    Raises:
      ValueError: TensorFlow does not know an op, or the variables are missing or damaged.
    """

    def __init__(self, directory: str, metagraph: Any, graph_def: tf.compat.v1.GraphDef):
        self._directory = directory
        self._metagraph = metagraph
        self._tags = describe_tags(frozenset(metagraph.meta_info_def.tags))
        self._graph = tf.Graph()
        with self._graph.as_default():
            self._import(graph_def)
        config = tf.compat.v1.ConfigProto(device_count={"GPU": 0}, allow_soft_placement=True)
        self._session = tf.compat.v1.Session(graph=self._graph, config=config)
        self._restore()
        self._initialise()

    def close(self) -> None:
        """Frees the session."""
        self._session.close()

    def run(self, fetches: dict[Any, str], feeds: dict[str, np.ndarray]) -> dict[Any, np.ndarray]:
        """Returns values of the tensors `fetches` for those of `feeds`, both by name."""
        named = {key: tensor_name(name) for key, name in fetches.items()}
        return self._session.run(named, feeds)

    def read_variables(self, handles: Sequence[str]) -> dict[str, np.ndarray]:
        """Returns the values of variables by the names of their nodes."""
        with self._graph.as_default():
            reads = {
                name: tf.raw_ops.ReadVariableOp(
                    resource=self._graph.get_tensor_by_name(f"{name}:0"),
                    dtype=self._graph.get_operation_by_name(name).get_attr("dtype"),
                )
                for name in handles
            }
        try:
            return self._session.run(reads)
        except tf.errors.FailedPreconditionError as error:
            raise ValueError(
                f"A variable that the TPU computation reads has no value: {explain(error)} "
                f"The Saver of {self._tags} does not restore it; export again."
            ) from error

    def _import(self, graph_def: tf.compat.v1.GraphDef) -> None:
        try:
            tf.compat.v1.import_graph_def(graph_def, name="")
        except (ValueError, tf.errors.OpError) as error:
            raise ValueError(
                f"The graph {self._tags} of {self._directory!r} cannot be read by TensorFlow "
                f"{tf.__version__}: {explain(error)} If it has ops of a library of its own, "
                "load that first, with tf.load_op_library."
            ) from error

    def _restore(self) -> None:
        saver = self._metagraph.saver_def
        if not saver.restore_op_name:
            return
        prefix = variables_prefix(self._directory)
        try:
            self._session.run(
                self._graph.get_operation_by_name(saver.restore_op_name),
                {saver.filename_tensor_name: prefix},
            )
        except (tf.errors.NotFoundError, tf.errors.DataLossError, tf.errors.OutOfRangeError,
                tf.errors.InvalidArgumentError) as error:  # fmt: skip
            raise ValueError(
                f"The variables of {self._directory!r} do not fit its graph {self._tags}, or are "
                f"truncated: {explain(error)} Copy the folder variables/ whole, or export "
                "again."
            ) from error

    def _initialise(self) -> None:
        assets = {
            asset.tensor_info.name: os.path.join(self._directory, "assets", asset.filename)
            for asset in self._metagraph.asset_file_def
        }
        present = {op.name for op in self._graph.get_operations()}
        feeds = {name: path for name, path in assets.items() if producer(name) in present}
        for name in list_init_ops(self._metagraph):
            try:
                self._session.run(self._graph.get_operation_by_name(name), feeds)
            except tf.errors.OpError as error:
                raise ValueError(
                    f"The graph {self._tags} of {self._directory!r} cannot be initialised, its "
                    f"tables or assets for instance: {explain(error)} Copy the folder assets/ "
                    "as well, or export again."
                ) from error


def list_init_ops(metagraph: Any) -> list[str]:
    """Returns the names of the ops that a loader runs once variables are restored."""
    if _INIT_SIGNATURE in metagraph.signature_def:
        outputs = metagraph.signature_def[_INIT_SIGNATURE].outputs.values()
        return [producer(info.name) for info in outputs]
    for key in _MAIN_OPS:
        if key in metagraph.collection_def:
            return [producer(n) for n in metagraph.collection_def[key].node_list.value]
    return []


def list_needed(metagraph: Any) -> list[str]:
    """Returns the names of the nodes that loading a graph needs."""
    saver = metagraph.saver_def
    names = [saver.restore_op_name, producer(saver.filename_tensor_name)]
    return [*(name for name in names if name), *list_init_ops(metagraph)]


def keep_needed(metagraph: Any, wanted: Sequence[str]) -> tf.compat.v1.GraphDef:
    """Returns the nodes that `wanted` ones and loading need."""
    nodes = {node.name: node for node in metagraph.graph_def.node}
    reached = find_reachable(nodes, [*map(producer, wanted), *list_needed(metagraph)])
    kept = tf.compat.v1.GraphDef(
        versions=metagraph.graph_def.versions, library=metagraph.graph_def.library
    )
    kept.node.extend(node for name, node in nodes.items() if name in reached)
    for node in kept.node:
        node.device = ""
    return kept
