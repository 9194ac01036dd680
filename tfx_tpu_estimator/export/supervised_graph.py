"""The metagraphs {train} and {eval} of a SavedModel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.execution.host_graph import HostModel, new_graph
from tfx_tpu_estimator.export.export_graph import ExportGraph, finish_graph, scaffold_of
from tfx_tpu_estimator.export.supervised_signature import build_supervised_signature
from tfx_tpu_estimator.lowering.model_fn import to_estimator_spec
from tfx_tpu_estimator.lowering.tf_internals import single_replica
from tfx_tpu_estimator.specs import ModeKeys

TAGS = {ModeKeys.TRAIN: ("train",), ModeKeys.EVAL: ("eval",)}
# Where a SavedModel names the operation of one training step.
_TRAIN_OP_COLLECTION = "saved_model_train_op"


def build_supervised_graph(
    model: HostModel, receiver_fn: Callable[[], Any], mode: str
) -> ExportGraph:
    """Builds the model_fn in mode TRAIN or EVAL, as it is, with params['use_tpu'] False.

    Args:
      model: The model.
      receiver_fn: The user's function; what it returns has `labels` besides features.
      mode: `ModeKeys.TRAIN` or `ModeKeys.EVAL`.

    Returns:
      The graph, with one signature named like the mode.
    """
    with new_graph(model.config) as graph, single_replica():
        tf.compat.v1.train.create_global_step(graph)
        receiver = receiver_fn()
        labels = getattr(receiver, "labels", None)
        spec = to_estimator_spec(
            model.call(receiver.features, labels, mode, model.params_for(None))
        )
        if spec.train_op is not None:
            graph.add_to_collection(_TRAIN_OP_COLLECTION, spec.train_op)
        signature = build_supervised_signature(receiver.receiver_tensors, spec)
        return finish_graph(graph, mode, TAGS[mode], {mode: signature}, scaffold_of(spec))
