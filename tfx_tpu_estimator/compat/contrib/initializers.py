"""Initialisers and regularisers of `tf.contrib.layers`."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

import tensorflow as tf

_v1 = tf.compat.v1


def xavier_initializer(uniform: bool = True, seed: int | None = None, dtype: Any = None) -> Any:
    """Returns an initialiser that keeps the scale of gradients (Glorot and Bengio).

    Args:
        uniform: Draw from a uniform distribution, else from a truncated normal one.
        seed: Seed of the draw.
        dtype: Accepted and ignored: the variable has one.
    """
    return variance_scaling_initializer(1.0, "FAN_AVG", uniform, seed, dtype)


xavier_initializer_conv2d = xavier_initializer


def variance_scaling_initializer(
    factor: float = 2.0,
    mode: str = "FAN_IN",
    uniform: bool = False,
    seed: int | None = None,
    dtype: Any = None,
) -> Any:
    """Returns an initialiser whose variance is `factor` over the number of inputs or outputs.

    Args:
        factor: Numerator of the variance.
        mode: 'FAN_IN', 'FAN_OUT' or 'FAN_AVG'.
        uniform: Draw from a uniform distribution, else from a truncated normal one.
        seed: Seed of the draw.
        dtype: Accepted and ignored: the variable has one.

    Raises:
        ValueError: If `mode` is another one.
    """
    if mode not in ("FAN_IN", "FAN_OUT", "FAN_AVG"):
        raise ValueError(f"`mode` must be 'FAN_IN', 'FAN_OUT' or 'FAN_AVG', got {mode!r}.")
    return _v1.variance_scaling_initializer(
        scale=factor,
        mode=mode.lower(),
        distribution="uniform" if uniform else "truncated_normal",
        seed=seed,
    )


def l1_regularizer(scale: float, scope: str | None = None) -> Callable[[Any], Any]:
    """Returns a function of weights: `scale` times the sum of their absolute values."""
    return _make_regularizer(scale, lambda weights: tf.reduce_sum(tf.abs(weights)), scope)


def l2_regularizer(scale: float, scope: str | None = None) -> Callable[[Any], Any]:
    """Returns a function of weights: `scale` times half the sum of their squares."""
    return _make_regularizer(scale, tf.nn.l2_loss, scope)


def _make_regularizer(
    scale: float, penalty: Callable[[Any], Any], scope: str | None
) -> Callable[[Any], Any]:
    if isinstance(scale, numbers.Integral) or not isinstance(scale, numbers.Real) or scale < 0:
        raise ValueError(f"`scale` must be a float >= 0.0, got {scale!r}.")
    if scale == 0.0:
        return lambda weights: None

    def regularizer(weights: Any) -> Any:
        with _v1.name_scope(scope, "regularizer", [weights]) as name:
            factor = tf.convert_to_tensor(scale, dtype=weights.dtype.base_dtype)
            return tf.multiply(factor, penalty(weights), name=name)

    return regularizer
