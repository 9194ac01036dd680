"""What input_fn returned -> ids in rows of equal width, for lookups on devices."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.config.embedding_plan import EmbeddingFeature, EmbeddingPlan
from tfx_tpu_estimator.inputs.sparse_padding import NO_ID, PaddedIds, pad_sparse
from tfx_tpu_estimator.lowering.tf_internals_embedding import mask_key, read_column


def prepare_features(
    plan: EmbeddingPlan, features: Any, batch_size: int | None = None
) -> dict[str, Any]:
    """Turns the ids of one batch into dense ones, in the input's graph.

    Args:
      plan: The tables and features.
      features: {name: tensor} as input_fn returned it.
      batch_size: Examples of every batch, where sparse tensors do not say it; None if it varies.

    Returns:
      New features: ids [batch, ids per row] ([batch, length, ids per step] of a sequence), -1
      where there is none; weights in the same form; lengths of sequences.

    Raises:
      TypeError: The features are not a dict.
      ValueError: A feature is missing or of the wrong kind.
    """
    if not isinstance(features, Mapping):
        raise TypeError(
            "With `embedding_config_spec` input_fn must return features as a dict; got "
            f"{type(features).__name__}."
        )
    prepared: dict[str, Any] = dict(features)
    features = {key: _to_sparse(value) for key, value in features.items()}
    for feature in plan.features:
        prepared.pop(feature.key, None)
        if feature.weight_key is not None:
            prepared.pop(feature.weight_key, None)
    made: dict[str, Any] = {}
    for feature in plan.features:
        made.update(_prepare(plan, feature, features))
    for column in plan.tensor_core_columns:
        made.update(_pad_for_core(column, features))
    for tensor in made.values():
        if tensor.shape[0] is None and batch_size is not None:
            tensor.set_shape([batch_size, *tensor.shape.as_list()[1:]])
    return {**prepared, **made}


def _to_sparse(feature: Any) -> Any:
    return feature.to_sparse() if isinstance(feature, tf.RaggedTensor) else feature


def _prepare(
    plan: EmbeddingPlan, feature: EmbeddingFeature, features: Mapping[str, Any]
) -> dict[str, Any]:
    if feature.key not in features:
        raise ValueError(
            f"input_fn returned no feature `{feature.key}`, which `embedding_config_spec` names; "
            f"it returned {sorted(features)}."
        )
    ids, weights = _read(feature, features)
    rows = plan.find_table(feature.table).rows
    made: dict[str, Any] = {}
    if feature.max_sequence_length:
        padded, lengths = _pad_sequence(ids, weights, feature.max_sequence_length)
        made[feature.length_key] = lengths
    else:
        padded = _pad(ids, weights)
    checked = _check_range(padded.ids, rows, feature)
    made[feature.key] = tf.cast(checked, tf.int32)
    if feature.weight_key is not None:
        made[feature.weight_key] = padded.weights
    return made


def _read(feature: EmbeddingFeature, features: Mapping[str, Any]) -> tuple[Any, Any]:
    """Returns ids, sparse or dense, and sparse weights or None."""
    weights = None
    if feature.weight_key is not None:
        weights = _read_weights(feature, features)
    if feature.column is not None:
        return read_column(feature.column, dict(features))
    ids = features[feature.key]
    if not ids.dtype.is_integer:
        raise ValueError(
            "SparseTensor with string as values are not supported. Turn the values of feature "
            f"`{feature.key}`, of type {ids.dtype.name}, into integers in input_fn, for instance "
            "with tf.strings.to_hash_bucket_fast or a lookup table."
        )
    if weights is not None and not isinstance(ids, tf.SparseTensor):
        raise ValueError(
            f"Found weights {feature.weight_key} for feature {feature.key}, which is a dense "
            "tensor. Weights need ids in a SparseTensor."
        )
    return ids, weights


def _read_weights(feature: EmbeddingFeature, features: Mapping[str, Any]) -> Any:
    weights = features.get(str(feature.weight_key))
    if weights is None:
        raise ValueError(
            f"Cannot find weights {feature.weight_key} for weighted_categorical_column. Please "
            "check if the weights are present in feature dict. Also note weight-sharing among "
            "weighted_categorical_column is not supported on TPU."
        )
    if not isinstance(weights, tf.SparseTensor):
        raise ValueError(
            f"weighted_categorical_column with weight key name {feature.weight_key} has dense "
            "weights. Dense weights are not supported on TPU. Please use sparse weights instead."
        )
    return weights


def _pad(ids: Any, weights: Any) -> PaddedIds:
    """Returns [batch, ids per row]."""
    if not isinstance(ids, tf.SparseTensor):
        if ids.shape.rank != 2:
            ids = tf.reshape(ids, [tf.shape(ids)[0], math.prod(ids.shape.as_list()[1:])])
        return PaddedIds(ids, None)
    if ids.shape.rank != 2:
        batch = ids.shape[0]
        flat = [ids.dense_shape[0], -1]
        ids = tf.sparse.reshape(ids, flat)
        weights = None if weights is None else tf.sparse.reshape(weights, flat)
        ids = _with_batch(ids, batch)
    return _pad_rows(ids, weights)


def _with_batch(ids: tf.SparseTensor, batch: int | None) -> tf.SparseTensor:
    if batch is None:
        return ids
    shape = tf.concat([[batch], ids.dense_shape[1:]], 0)
    return tf.SparseTensor(ids.indices, ids.values, tf.cast(shape, tf.int64))


def _pad_rows(ids: tf.SparseTensor, weights: tf.SparseTensor | None) -> PaddedIds:
    """Returns rows of at least one place, of the static number of rows where it is known."""
    padded = pad_sparse(ids, weights)
    missing = tf.maximum(1 - tf.shape(padded.ids)[1], 0)
    widen = [[0, 0], [0, missing]]
    wide = tf.pad(padded.ids, widen, constant_values=tf.cast(NO_ID, padded.ids.dtype))
    wide.set_shape([ids.shape[0], None])
    if padded.weights is None:
        return PaddedIds(wide, None)
    weighed = tf.pad(padded.weights, widen)
    weighed.set_shape([ids.shape[0], None])
    return PaddedIds(wide, weighed)


def _pad_sequence(ids: Any, weights: Any, length: int) -> tuple[PaddedIds, tf.Tensor]:
    """Returns [batch, length, ids per step], and the lengths [batch]."""
    if not isinstance(ids, tf.SparseTensor):
        return _pad_dense_sequence(ids, length)
    batch, rank = ids.shape[0], ids.shape.rank
    if rank == 3:
        # Columns for sequences of rank 2 make a last dimension of 1.
        steps = ids.indices[:, 1]
    else:
        steps = tf.zeros_like(ids.indices[:, 0]) if rank == 1 else ids.indices[:, 1]
    kept = steps < length
    rows = ids.dense_shape[0]
    last = tf.math.unsorted_segment_max(steps + 1, ids.indices[:, 0], rows)
    lengths = tf.cast(tf.clip_by_value(last, 0, length), tf.int32)
    lengths.set_shape([batch])

    def flatten(sparse: tf.SparseTensor) -> tf.SparseTensor:
        sparse = tf.sparse.retain(sparse, kept)
        row = sparse.indices[:, 0] * length + tf.boolean_mask(steps, kept)
        within = sparse.indices[:, 2] if rank == 3 else tf.zeros_like(row)
        width = sparse.dense_shape[2] if rank == 3 else tf.ones([], tf.int64)
        shape = tf.stack([rows * length, width])
        return tf.SparseTensor(tf.stack([row, within], 1), sparse.values, shape)

    padded = _pad_rows(flatten(ids), None if weights is None else flatten(weights))
    single = rank != 3

    def shape(tensor: tf.Tensor | None) -> tf.Tensor | None:
        if tensor is None:
            return None
        if single:
            tensor = tensor[:, :1]
        shaped = tf.reshape(tensor, tf.stack([rows, length, tf.shape(tensor, tf.int64)[1]]))
        shaped.set_shape([batch, length, 1 if single else None])
        return shaped

    shaped = shape(padded.ids)
    assert shaped is not None, "there are always ids"
    return PaddedIds(shaped, shape(padded.weights)), lengths


def _pad_dense_sequence(ids: tf.Tensor, length: int) -> tuple[PaddedIds, tf.Tensor]:
    if ids.shape.rank not in (1, 2):
        raise ValueError(
            f"Ids of a sequence must be [batch, steps], or a SparseTensor; got {ids}. Several ids "
            "per step need a SparseTensor of [batch, steps, ids]."
        )
    ids = ids if ids.shape.rank == 2 else ids[:, None]
    ids = ids[:, :length]
    places = tf.range(1, tf.shape(ids)[1] + 1)
    lengths = tf.reduce_max(tf.where(ids >= 0, places[None], 0), axis=1)
    widen = tf.stack([[0, 0], [0, length - tf.shape(ids)[1]]])
    padded = tf.pad(ids, widen, constant_values=tf.cast(NO_ID, ids.dtype))
    padded.set_shape([ids.shape[0], length])
    return PaddedIds(tf.expand_dims(padded, 2), None), lengths


def _check_range(ids: tf.Tensor, rows: int, feature: EmbeddingFeature) -> tf.Tensor:
    """Returns the ids, which raise when one is computed that its table has no row for."""
    largest = tf.reduce_max(tf.cast(ids, tf.int64))
    message = f"Feature `{feature.key}` has an id that table `{feature.table}` has no row for"
    check = tf.debugging.Assert(largest < rows, [f"{message}; id and rows:", largest, rows])
    with tf.control_dependencies([check]):
        return tf.identity(ids)


def _pad_for_core(column: Any, features: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """Returns ids and mask in the shape that the column names, for a lookup in the model."""
    key = column.get_feature_key_name()
    if mask_key(key) in features:
        raise ValueError(f"Mask key {mask_key(key)} for Tensor Core embedding is already in use.")
    ids, _ = read_column(column.categorical_column, dict(features))
    width = column._tensor_core_shape[1]
    kept = tf.sparse.slice(ids, [0, 0], [ids.dense_shape[0], width])
    batch = ids.shape[0]
    dense = tf.sparse.to_dense(kept, default_value=tf.cast(NO_ID, kept.dtype))
    dense = tf.pad(dense, [[0, 0], [0, width - tf.shape(dense)[1]]],
                   constant_values=tf.cast(NO_ID, kept.dtype))  # fmt: skip
    dense.set_shape([batch, width])
    return {
        key: tf.cast(tf.maximum(dense, 0), tf.int32),
        mask_key(key): tf.cast(dense >= 0, tf.float32),
    }


def describe_activations(plan: EmbeddingPlan, features: Mapping[str, Any]) -> dict[str, Any]:
    """Returns specs of what the model_fn of one replica gets.

    Args:
      plan: The tables and features.
      features: {name: tf.TensorSpec} of prepared features.

    Returns:
      {name: tf.TensorSpec} with activations in place of ids, and without weights.
    """
    described = dict(features)
    for feature in plan.features:
        dimension = plan.find_table(feature.table).dimension
        shape = [*features[feature.key].shape.as_list()[:-1], dimension]
        described[feature.key] = tf.TensorSpec(shape, tf.float32)
    for feature in plan.features:
        if feature.weight_key is not None:
            described.pop(feature.weight_key, None)
    return described
