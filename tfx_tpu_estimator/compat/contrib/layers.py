"""Layers of `tf.contrib.layers`, with its names of variables, so that its checkpoints load.

Images are [batch, height, width, channels]; arguments that TPUEstimator programs hardly use are not
here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.compat.contrib.arg_scope import add_arg_scope
from tfx_tpu_estimator.compat.contrib.initializers import (
    l1_regularizer,
    l2_regularizer,
    variance_scaling_initializer,
    xavier_initializer,
    xavier_initializer_conv2d,
)
from tfx_tpu_estimator.compat.contrib.normalization import batch_norm, layer_norm

_v1 = tf.compat.v1
_ZEROS = _v1.zeros_initializer()
_Activation = Callable[[Any], Any] | None

__all__ = [
    "avg_pool2d",
    "batch_norm",
    "conv2d",
    "convolution2d",
    "dropout",
    "flatten",
    "fully_connected",
    "l1_regularizer",
    "l2_regularizer",
    "layer_norm",
    "linear",
    "max_pool2d",
    "relu",
    "variance_scaling_initializer",
    "xavier_initializer",
    "xavier_initializer_conv2d",
]


@add_arg_scope
def fully_connected(
    inputs: Any,
    num_outputs: int,
    activation_fn: _Activation = tf.nn.relu,
    normalizer_fn: Callable[..., Any] | None = None,
    normalizer_params: dict[str, Any] | None = None,
    weights_initializer: Any = None,
    weights_regularizer: Callable[[Any], Any] | None = None,
    biases_initializer: Any = _ZEROS,
    biases_regularizer: Callable[[Any], Any] | None = None,
    reuse: bool | None = None,
    trainable: bool = True,
    scope: str | None = None,
) -> Any:
    """Multiplies the last dimension with a matrix of weights.

    Args:
        inputs: [..., n], n static.
        num_outputs: Size of the last dimension of the result.
        activation_fn: Applied last; None for none.
        normalizer_fn: Used in place of biases, `batch_norm` for example.
        normalizer_params: Its arguments.
        weights_initializer: Default xavier_initializer().
        weights_regularizer: Function of the weights, added to the regularisation losses.
        biases_initializer: None for no biases.
        biases_regularizer: Function of the biases.
        reuse: Whether variables exist already.
        trainable: Whether they are trained.
        scope: Name of the layer; default 'fully_connected'.
    """
    inputs = tf.convert_to_tensor(inputs)
    size = inputs.shape[-1]
    with _v1.variable_scope(scope, "fully_connected", [inputs], reuse=reuse):
        weights = _make_weights(
            [int(size), num_outputs], inputs, weights_initializer, weights_regularizer, trainable
        )
        result = tf.tensordot(inputs, weights, [[len(inputs.shape) - 1], [0]])
        result.set_shape([*inputs.shape[:-1], num_outputs])
        biases = (biases_initializer, biases_regularizer, trainable)
        return _finish(result, biases, normalizer_fn, normalizer_params, activation_fn)


relu = fully_connected
linear = functools.partial(fully_connected, activation_fn=None)


@add_arg_scope
def conv2d(
    inputs: Any,
    num_outputs: int,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: str = "SAME",
    rate: int | Sequence[int] = 1,
    activation_fn: _Activation = tf.nn.relu,
    normalizer_fn: Callable[..., Any] | None = None,
    normalizer_params: dict[str, Any] | None = None,
    weights_initializer: Any = None,
    weights_regularizer: Callable[[Any], Any] | None = None,
    biases_initializer: Any = _ZEROS,
    biases_regularizer: Callable[[Any], Any] | None = None,
    reuse: bool | None = None,
    trainable: bool = True,
    scope: str | None = None,
) -> Any:
    """Convolves images.

    Args:
        inputs: [batch, height, width, channels].
        num_outputs: Channels of the result.
        kernel_size: One number or two, in pixels.
        stride: One number or two.
        padding: 'SAME' or 'VALID'.
        rate: Distance of the pixels that a kernel looks at.
        activation_fn: As in `fully_connected`, and so are the following; the default name is
            'Conv'.
        normalizer_fn: Used in place of biases.
        normalizer_params: Its arguments.
        weights_initializer: Default xavier_initializer().
        weights_regularizer: Function of the weights.
        biases_initializer: None for no biases.
        biases_regularizer: Function of the biases.
        reuse: Whether variables exist already.
        trainable: Whether they are trained.
        scope: Name of the layer.
    """
    inputs = tf.convert_to_tensor(inputs)
    shape = [*_pair(kernel_size), int(inputs.shape[-1]), num_outputs]
    with _v1.variable_scope(scope, "Conv", [inputs], reuse=reuse):
        weights = _make_weights(shape, inputs, weights_initializer, weights_regularizer, trainable)
        result = tf.nn.conv2d(inputs, weights, _pair(stride), _upper(padding), dilations=rate)
        biases = (biases_initializer, biases_regularizer, trainable)
        return _finish(result, biases, normalizer_fn, normalizer_params, activation_fn)


convolution2d = conv2d


@add_arg_scope
def max_pool2d(
    inputs: Any,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = 2,
    padding: str = "VALID",
    scope: str | None = None,
) -> Any:
    """Returns the maximum of windows of `kernel_size` pixels, `stride` pixels apart."""
    return tf.nn.max_pool2d(inputs, _pair(kernel_size), _pair(stride), _upper(padding), name=scope)


@add_arg_scope
def avg_pool2d(
    inputs: Any,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = 2,
    padding: str = "VALID",
    scope: str | None = None,
) -> Any:
    """Returns the mean of windows of `kernel_size` pixels, `stride` pixels apart."""
    return tf.nn.avg_pool2d(inputs, _pair(kernel_size), _pair(stride), _upper(padding), name=scope)


@add_arg_scope
def dropout(
    inputs: Any,
    keep_prob: float = 0.5,
    noise_shape: Any = None,
    is_training: bool = True,
    scope: str | None = None,
    seed: int | None = None,
) -> Any:
    """Sets values to zero at random and scales the others, while training.

    Args:
        inputs: Any shape.
        keep_prob: Share of the values that are kept.
        noise_shape: Shape of the random decisions, broadcast to that of the inputs.
        is_training: False returns the inputs.
        scope: Name of the ops.
        seed: Seed of the draw.
    """
    if not is_training:
        return tf.identity(inputs, name=scope)
    rate = 1.0 - keep_prob
    return tf.nn.dropout(inputs, rate=rate, noise_shape=noise_shape, seed=seed, name=scope)


@add_arg_scope
def flatten(inputs: Any, scope: str | None = None) -> Any:
    """Returns [batch, n] of [batch, ...]; n must be static."""
    inputs = tf.convert_to_tensor(inputs)
    size = inputs.shape[1:].num_elements()
    batch = inputs.shape.as_list()[0]
    return tf.reshape(inputs, [-1 if batch is None else batch, size], name=scope)


def _make_weights(
    shape: list[int], inputs: Any, initializer: Any, regularizer: Any, trainable: bool
) -> Any:
    return _v1.get_variable(
        "weights",
        shape,
        inputs.dtype.base_dtype,
        initializer or xavier_initializer(),
        regularizer,
        trainable,
        collections=_collections(),
    )


def _finish(
    result: Any,
    biases: tuple[Any, Any, bool],
    normalizer_fn: Callable[..., Any] | None,
    normalizer_params: dict[str, Any] | None,
    activation_fn: _Activation,
) -> Any:
    """Adds biases, or normalises, and applies the activation."""
    initializer, regularizer, trainable = biases
    if normalizer_fn is not None:
        result = normalizer_fn(result, **(normalizer_params or {}))
    elif initializer is not None:
        bias = _v1.get_variable(
            "biases",
            [result.shape[-1]],
            result.dtype.base_dtype,
            initializer,
            regularizer,
            trainable,
            collections=_collections(),
        )
        result = tf.nn.bias_add(result, bias)
    return result if activation_fn is None else activation_fn(result)


def _upper(padding: str) -> Any:
    return padding.upper()


def _collections() -> list[str]:
    return [_v1.GraphKeys.GLOBAL_VARIABLES, _v1.GraphKeys.MODEL_VARIABLES]


def _pair(value: int | Sequence[int]) -> list[int]:
    return [value, value] if isinstance(value, int) else [int(v) for v in value]
