"""Embeddings of a plan where there are no devices: ordinary variables, looked up in the graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.config.embedding_plan import EmbeddingFeature, EmbeddingPlan, EmbeddingTable
from tfx_tpu_estimator.lowering.embedding import make_default_initializer


def look_up_on_host(
    plan: EmbeddingPlan, prepared: Mapping[str, Any], names: Mapping[str, str]
) -> dict[str, Any]:
    """Replaces ids by the rows of tables, which are trainable variables of the default graph.

    Args:
      plan: The tables and features.
      prepared: {name: tensor} as `prepare_features` returned them.
      names: The name of each table's variable.

    Returns:
      New features, those that the model_fn sees on devices: float32 [batch, dimension] (of a
      sequence [batch, length, dimension], and its lengths) in place of ids, and no weights.
    """
    tables = {table.name: _make_variable(table, names[table.name]) for table in plan.tables}
    looked_up = {
        feature.key: _look_up(
            tables[feature.table], plan.find_table(feature.table), feature, prepared
        )
        for feature in plan.features
    }
    weights = {feature.weight_key for feature in plan.features}
    return {**{k: v for k, v in prepared.items() if k not in weights}, **looked_up}


def _make_variable(table: EmbeddingTable, name: str) -> tf.Variable:
    scope = tf.compat.v1.VariableScope(reuse=tf.compat.v1.AUTO_REUSE)
    with tf.compat.v1.variable_scope(scope, use_resource=True, auxiliary_name_scope=False):
        return tf.compat.v1.get_variable(
            name,
            [table.rows, table.dimension],
            tf.float32,
            initializer=table.initializer or make_default_initializer(table.dimension),
        )


def _look_up(
    variable: tf.Variable, table: EmbeddingTable, feature: EmbeddingFeature, prepared: Any
) -> tf.Tensor:
    ids = tf.cast(prepared[feature.key], tf.int64)
    places = tf.where(ids >= 0)
    shape = tf.shape(ids, out_type=tf.int64)
    sparse = tf.SparseTensor(places, tf.gather_nd(ids, places), shape)
    weights = None
    if feature.weight_key is not None:
        weights = tf.SparseTensor(places, tf.gather_nd(prepared[feature.weight_key], places), shape)
    # Unlike a gather of padded rows it gives no gradient to a row that nobody has looked up.
    rows = tf.nn.safe_embedding_lookup_sparse(
        variable, sparse, sparse_weights=weights, combiner=table.combiner
    )
    rows.set_shape([*ids.shape.as_list()[:-1], table.dimension])
    return rows
