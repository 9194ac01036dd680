"""Normalisation of `tf.contrib.layers`, with its names of variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.compat.contrib.arg_scope import add_arg_scope

_v1 = tf.compat.v1
_EPSILON = 1e-12
_EPSILON_HALF = 1e-3  # 1e-12 is zero in 16 bits
_MODEL = [_v1.GraphKeys.GLOBAL_VARIABLES, _v1.GraphKeys.MODEL_VARIABLES]


@add_arg_scope
def layer_norm(
    inputs: Any,
    center: bool = True,
    scale: bool = True,
    activation_fn: Callable[[Any], Any] | None = None,
    reuse: bool | None = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    begin_norm_axis: int = 1,
    begin_params_axis: int = -1,
    scope: str | None = None,
) -> Any:
    """Normalises every example to mean 0 and variance 1, then scales and shifts.

    Args:
        inputs: [batch, ...] of static sizes from `begin_norm_axis` and `begin_params_axis` on.
        center: Add `beta`.
        scale: Multiply with `gamma`.
        activation_fn: Applied last.
        reuse: Whether variables exist already.
        variables_collections: Further collections of the variables: a list of keys.
        outputs_collections: A collection the result is added to.
        trainable: Whether the variables are trained.
        begin_norm_axis: First of the dimensions that mean and variance are taken over.
        begin_params_axis: First of the dimensions that `beta` and `gamma` have.
        scope: Name of the layer; default 'LayerNorm'.
    """
    inputs = tf.convert_to_tensor(inputs)
    rank = len(inputs.shape)
    norm_axis = begin_norm_axis % rank
    shape = inputs.shape[begin_params_axis % rank :]
    dtype = inputs.dtype.base_dtype
    collections = [*_MODEL, *(variables_collections or ())]
    with _v1.variable_scope(scope, "LayerNorm", [inputs], reuse=reuse):
        # Created in this order, as ever: order is what a checkpoint without names would know.
        beta: Any = None
        gamma: Any = None
        if center:
            beta = _v1.get_variable("beta", shape, dtype, _v1.zeros_initializer(),
                                    trainable=trainable, collections=collections)  # fmt: skip
        if scale:
            gamma = _v1.get_variable("gamma", shape, dtype, _v1.ones_initializer(),
                                     trainable=trainable, collections=collections)  # fmt: skip
        mean, variance = tf.nn.moments(inputs, list(range(norm_axis, rank)), keepdims=True)
        epsilon = _EPSILON_HALF if dtype.size == 2 else _EPSILON
        result = tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, epsilon)
        result.set_shape(inputs.shape)
        if activation_fn is not None:
            result = activation_fn(result)
    if outputs_collections is not None:
        _v1.add_to_collection(outputs_collections, result)
    return result


@add_arg_scope
def batch_norm(
    inputs: Any,
    decay: float = 0.999,
    center: bool = True,
    scale: bool = False,
    epsilon: float = 0.001,
    activation_fn: Callable[[Any], Any] | None = None,
    updates_collections: str | None = _v1.GraphKeys.UPDATE_OPS,
    is_training: bool = True,
    reuse: bool | None = None,
    trainable: bool = True,
    fused: bool | None = None,
    scope: str | None = None,
) -> Any:
    """Normalises every channel over the batch, then scales and shifts.

    Args:
        inputs: [batch, ..., channels].
        decay: Share of the moving averages that an update keeps.
        center: Add `beta`.
        scale: Multiply with `gamma`.
        epsilon: Added to the variance.
        activation_fn: Applied last.
        updates_collections: Collection of the updates of the moving averages, which training has
            to run; None makes the result depend on them.
        is_training: Use the batch's mean and variance, else the moving averages.
        reuse: Whether variables exist already.
        trainable: Whether `beta` and `gamma` are trained.
        fused: Use TensorFlow's fused op; None where it can be used.
        scope: Name of the layer; default 'BatchNorm'.
    """
    with _v1.variable_scope(scope, "BatchNorm", [inputs], reuse=reuse) as layer_scope:
        layer = _v1.layers.BatchNormalization(
            momentum=decay,
            epsilon=epsilon,
            center=center,
            scale=scale,
            trainable=trainable,
            fused=fused,
            name=layer_scope.name,
            _scope=layer_scope,
            _reuse=reuse,
        )
        result, updates = _apply(layer, inputs, is_training)
        if updates_collections is not None:
            for update in updates:
                _v1.add_to_collection(updates_collections, update)
        else:
            with tf.control_dependencies(updates):
                result = tf.identity(result)
        return result if activation_fn is None else activation_fn(result)


def _apply(layer: Any, inputs: Any, is_training: bool) -> tuple[Any, list[Any]]:
    """Calls a layer of tf.compat.v1.layers, and takes its updates out of UPDATE_OPS."""
    collection = _v1.get_collection_ref(_v1.GraphKeys.UPDATE_OPS)
    before = len(collection)
    result = layer.apply(inputs, training=is_training)
    updates = collection[before:]
    del collection[before:]
    return result, updates
