"""A graph that becomes one metagraph of a SavedModel."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.specs import EstimatorSpec, TPUEstimatorSpec


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportGraph:
    """A graph ready to be written as one metagraph.

    Attributes:
      graph: The graph.
      mode: The value of `ModeKeys` that the model_fn was called with.
      tags: Its tag set.
      signatures: {name: SignatureDef}.
      saver: What restores the checkpoint into it.
      init_op: Initialises tables and local variables when the model is loaded.
      assets: Tensors that hold the paths of files the graph reads.
    """

    graph: tf.Graph
    mode: str
    tags: tuple[str, ...]
    signatures: dict[str, Any]
    saver: tf.compat.v1.train.Saver
    init_op: tf.Operation
    assets: list[tf.Tensor]

    @property
    def runs_on_host(self) -> bool:
        """Whether a session of this host can run it."""
        return tf.saved_model.TPU not in self.tags


def finish_graph(
    graph: tf.Graph,
    mode: str,
    tags: tuple[str, ...],
    signatures: dict[str, Any],
    scaffold: tf.compat.v1.train.Scaffold,
) -> ExportGraph:
    """Adds to a graph, the default one, what restores and initialises it.

    Args:
      graph: The graph.
      mode: The value of `ModeKeys` that it was built in.
      tags: Its tag set.
      signatures: {name: SignatureDef}.
      scaffold: Of the model_fn.

    Returns:
      The graph, complete.
    """
    init_op = scaffold.local_init_op or tf.group(
        tf.compat.v1.local_variables_initializer(), tf.compat.v1.tables_initializer()
    )
    return ExportGraph(
        graph=graph,
        mode=mode,
        tags=tags,
        signatures=signatures,
        saver=scaffold.saver or tf.compat.v1.train.Saver(sharded=True),
        init_op=init_op,
        assets=graph.get_collection(tf.compat.v1.GraphKeys.ASSET_FILEPATHS),
    )


def scaffold_of(spec: EstimatorSpec | TPUEstimatorSpec) -> tf.compat.v1.train.Scaffold:
    """Returns the Scaffold of `spec`, or one with TensorFlow's defaults."""
    if isinstance(spec, TPUEstimatorSpec):
        scaffold = spec.scaffold_fn() if spec.scaffold_fn else None
    else:
        scaffold = spec.scaffold
    return scaffold or tf.compat.v1.train.Scaffold()
