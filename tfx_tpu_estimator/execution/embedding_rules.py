"""What the four optimizers do with the rows of a table that a step has looked up; in jax."""

from __future__ import annotations

from typing import Any

from tfx_tpu_estimator.config.embedding_optimizers import (
    AdagradParameters,
    AdamParameters,
    FtrlParameters,
    OptimizationParameters,
)
from tfx_tpu_estimator.lowering.jax_compat import import_jax

Slots = tuple[Any, ...]


def update_rows(
    parameters: OptimizationParameters, rate: Any, weights: Any, slots: Slots, gradients: Any
) -> tuple[Any, Slots]:
    """Updates rows by their gradients.

    Args:
      parameters: The optimizer.
      rate: float32 scalar, the learning rate of the step.
      weights: float32 [n, dimension].
      slots: What the optimizer keeps, each of the shape of `weights`.
      gradients: float32 [n, dimension].

    Returns:
      The new weights and slots.
    """
    gradients = _clip(gradients, parameters.clip_gradient_min, parameters.clip_gradient_max)
    weights = decay_weights(parameters, rate, weights)
    if isinstance(parameters, AdagradParameters):
        weights, slots = _adagrad(rate, weights, slots, gradients)
    elif isinstance(parameters, AdamParameters):
        slots = _adam_moments(parameters, slots, gradients)
        weights = weights - adam_step(parameters, rate, slots)
    elif isinstance(parameters, FtrlParameters):
        weights, slots = _ftrl(parameters, rate, weights, slots, gradients)
    else:
        weights = weights - rate * gradients
    return clip_weights(parameters, weights), slots


def _clip(values: Any, low: float | None, high: float | None) -> Any:
    if low is None and high is None:
        return values
    jnp = import_jax().numpy
    values = values if low is None else jnp.maximum(values, jnp.float32(low))
    return values if high is None else jnp.minimum(values, jnp.float32(high))


def clip_weights(parameters: OptimizationParameters, weights: Any) -> Any:
    """Brings weights into the optimizer's limits."""
    return _clip(weights, parameters.clip_weight_min, parameters.clip_weight_max)


def decay_weights(parameters: OptimizationParameters, rate: Any, weights: Any) -> Any:
    """Takes a part of the weights off."""
    if not parameters.weight_decay_factor:
        return weights
    factor = import_jax().numpy.float32(parameters.weight_decay_factor)
    if parameters.multiply_weight_decay_factor_by_learning_rate:
        factor = factor * rate
    return weights - factor * weights


def _adagrad(rate: Any, weights: Any, slots: Slots, gradients: Any) -> tuple[Any, Slots]:
    jnp = import_jax().numpy
    (accumulator,) = slots
    accumulator = accumulator + gradients * gradients
    return weights - rate * gradients / jnp.sqrt(accumulator), (accumulator,)


def _adam_moments(parameters: AdamParameters, slots: Slots, gradients: Any) -> Slots:
    f32 = import_jax().numpy.float32
    m, v = slots
    m = f32(parameters.beta1) * m + f32(1 - parameters.beta1) * gradients
    v = f32(parameters.beta2) * v + f32(1 - parameters.beta2) * gradients * gradients
    return m, v


def adam_step(parameters: AdamParameters, rate: Any, slots: Slots) -> Any:
    """Returns how far Adam moves weights with such moments."""
    jnp = import_jax().numpy
    m, v = slots
    epsilon = jnp.float32(parameters.epsilon)
    if parameters.sum_inside_sqrt:
        return rate * m / jnp.sqrt(v + epsilon * epsilon)
    return rate * m / (jnp.sqrt(v) + epsilon)


def _ftrl(
    parameters: FtrlParameters, rate: Any, weights: Any, slots: Slots, gradients: Any
) -> tuple[Any, Slots]:
    jnp = import_jax().numpy
    accumulator, linear = slots
    grown = accumulator + gradients * gradients

    def root(value: Any) -> Any:
        if parameters.learning_rate_power == -0.5:
            return jnp.sqrt(value)
        return value ** jnp.float32(-parameters.learning_rate_power)

    # With the learning rate multiplied in, nothing is divided by it, so that it may be 0.
    scaled = parameters.multiply_linear_by_learning_rate
    inverse = jnp.float32(1) if scaled else 1 / rate
    scale = rate if scaled else jnp.float32(1)
    linear = linear + scale * gradients - (root(grown) - root(accumulator)) * inverse * weights
    l1 = jnp.float32(parameters.l1_regularization_strength) * scale
    l2 = jnp.float32(2 * parameters.l2_regularization_strength) * scale
    quadratic = (root(grown) + jnp.float32(parameters.beta)) * inverse + l2
    shrunk = jnp.sign(linear) * l1 - linear
    weights = jnp.where(
        (jnp.abs(linear) > l1) & (quadratic > 0),
        shrunk / jnp.where(quadratic > 0, quadratic, 1),
        jnp.float32(0),
    )
    return weights, (grown, linear)
