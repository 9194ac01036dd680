"""Embeddings of a served model: looked up on the host, before its computation on a TPU core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.config.embedding_plan import EmbeddingPlan
from tfx_tpu_estimator.execution.host_graph import HostModel, new_graph
from tfx_tpu_estimator.lowering.embedding import name_column_tables
from tfx_tpu_estimator.lowering.embedding_host import look_up_on_host
from tfx_tpu_estimator.lowering.embedding_inputs import prepare_features
from tfx_tpu_estimator.lowering.tf_internals import many_replicas
from tfx_tpu_estimator.modes import ModeKeys


def look_up_outside(model: HostModel, plan: EmbeddingPlan, features: Any) -> dict[str, Any]:
    """Looks the features of a receiver up, in tables that are variables of the default graph.

    Args:
      model: The model.
      plan: Its tables and features.
      features: {name: tensor} of the receiver.

    Returns:
      {name: tensor} with activations in place of ids, for the model_fn on the TPU core.
    """
    prepared = prepare_features(plan, features)
    if plan.from_columns:
        names = _name_tables(model, plan, prepared)
    else:
        names = {table.name: table.name for table in plan.tables}
    return look_up_on_host(plan, prepared, names)


def _name_tables(
    model: HostModel, plan: EmbeddingPlan, prepared: Mapping[str, Any]
) -> dict[str, str]:
    """Returns the name of each table's variable, which only a model_fn that uses its column knows.

    It is called in a graph of its own, that nobody runs.
    """
    with new_graph(model.config) as graph, many_replicas(1):
        tf.compat.v1.train.create_global_step(graph)
        features = {
            name: tf.compat.v1.placeholder(tensor.dtype, tensor.shape)
            for name, tensor in prepared.items()
            if isinstance(tensor, tf.Tensor)
        }
        for feature in plan.features:
            ids, dimension = prepared[feature.key], plan.find_table(feature.table).dimension
            shape = [*ids.shape.as_list()[:-1], dimension]
            features[feature.key] = tf.compat.v1.placeholder(tf.float32, shape)
        params = model.params_for(None, use_tpu=True)
        model.call(features, None, ModeKeys.PREDICT, params)
        return name_column_tables(plan, graph)
