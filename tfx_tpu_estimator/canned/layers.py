"""Dense layers and batch normalisation on variables with the names of `tf.compat.v1.layers`.

Those functions need Keras 2 and warn at every call.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

_MOMENTUM = 0.999
_EPSILON = 1e-3


def build_dense(inputs: tf.Tensor, units: int, activation: Any, name: str) -> tf.Tensor:
    """Builds a dense layer with variables `<name>/kernel` and `<name>/bias`.

    Args:
      inputs: float32 [batch, n], n known.
      units: How many numbers it returns per example.
      activation: A function, a name of one in tf.keras.activations, or None.
      name: Of its variable scope.

    Returns:
      float32 [batch, units].
    """
    with tf.compat.v1.variable_scope(name):
        kernel = tf.compat.v1.get_variable(
            "kernel",
            [inputs.shape[-1], units],
            inputs.dtype,
            initializer=tf.compat.v1.glorot_uniform_initializer(),
        )
        bias = _get_vector("bias", units, tf.compat.v1.zeros_initializer())
        outputs = tf.nn.bias_add(tf.matmul(inputs, kernel), bias)
        if isinstance(activation, str):
            activation = tf.keras.activations.get(activation)
        return outputs if activation is None else activation(outputs)


def normalize_batch(inputs: tf.Tensor, name: str, *, training: bool) -> tf.Tensor:
    """Builds a batch normalisation with momentum 0.999.

    In training it uses the batch's mean and variance, and adds operations to UPDATE_OPS that move
    `moving_mean` and `moving_variance` towards them; else it uses those.

    Args:
      inputs: float32 [batch, n], n known.
      name: Of its variable scope.
      training: Whether the model is built to be trained.

    Returns:
      float32 [batch, n].
    """
    size = int(inputs.shape[-1])  # pyright: ignore[reportArgumentType]
    with tf.compat.v1.variable_scope(name) as scope:
        gamma = _get_vector("gamma", size, tf.compat.v1.ones_initializer())
        beta = _get_vector("beta", size, tf.compat.v1.zeros_initializer())
        # Parts of a variable cannot be moved together.
        scope.set_partitioner(None)
        averages = [
            _get_vector("moving_mean", size, tf.compat.v1.zeros_initializer(), trainable=False),
            _get_vector("moving_variance", size, tf.compat.v1.ones_initializer(), trainable=False),
        ]
        if training:
            moments = tf.nn.moments(inputs, axes=[0])
            for average, moment in zip(averages, moments, strict=True):
                update = average.assign_sub((average - moment) * (1.0 - _MOMENTUM))
                tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.UPDATE_OPS, update)
        else:
            moments = [average.read_value() for average in averages]
        mean, variance = moments
        return tf.nn.batch_normalization(
            inputs,
            mean,
            variance,
            offset=tf.convert_to_tensor(beta),
            scale=tf.convert_to_tensor(gamma),
            variance_epsilon=_EPSILON,
        )


def _get_vector(name: str, size: int, initializer: Any, *, trainable: bool = True) -> Any:
    return tf.compat.v1.get_variable(
        name, [size], tf.float32, initializer=initializer, trainable=trainable
    )
