"""How the tables of a TPU embedding are trained: four optimizers, as frozen values."""

from __future__ import annotations

import dataclasses
from typing import Any


class OptimizationParameters:
    """What the four classes share; make one of them, not this.

    Each has a static `learning_rate` and these options, which count for the rows that a step looks
    up, in this order:

    * `use_gradient_accumulation` (True): gradients of a row that is looked up several times in a
      step are summed first. False: they are applied one after the other.
    * `clip_gradient_min`, `clip_gradient_max` (None): limits of a summed gradient's elements.
    * `weight_decay_factor` (None): this part of a row is taken off before it is updated; times the
      learning rate if `multiply_weight_decay_factor_by_learning_rate`.
    * `clip_weight_min`, `clip_weight_max` (None): limits of the updated row's elements.
    """

    learning_rate: float
    use_gradient_accumulation: bool
    clip_weight_min: float | None
    clip_weight_max: float | None
    weight_decay_factor: float | None
    multiply_weight_decay_factor_by_learning_rate: bool | None
    clip_gradient_min: float | None
    clip_gradient_max: float | None

    def __post_init__(self):
        clips = self.clip_gradient_min is not None or self.clip_gradient_max is not None
        if clips and not self.use_gradient_accumulation:
            raise ValueError(
                "`clip_gradient_min` and `clip_gradient_max` limit summed gradients, so that "
                "gradient accumulation must be enabled; got `use_gradient_accumulation`="
                f"{self.use_gradient_accumulation!r}."
            )

    @property
    def slots(self) -> tuple[tuple[str, float], ...]:
        """What is kept beside a table: (name after the table's, initial value) of each slot."""
        return ()


def _refuse(name: str, value: Any, allowed: str) -> None:
    raise ValueError(f"`{name}` must be {allowed}; got {value!r}.")


@dataclasses.dataclass(frozen=True)
class StochasticGradientDescentParameters(OptimizationParameters):
    """Plain gradient descent: `w -= learning_rate * g`.

    Attributes:
      learning_rate: Static learning rate.
      use_gradient_accumulation: See `OptimizationParameters`, as for all that follow.
      clip_weight_min: Lower limit of weights, None for none.
      clip_weight_max: Upper limit of weights.
      weight_decay_factor: Part of the weights that a step takes off.
      multiply_weight_decay_factor_by_learning_rate: Whether that is per unit of learning rate.
      clip_gradient_min: Lower limit of gradients.
      clip_gradient_max: Upper limit of gradients.

    Example:
      >>> StochasticGradientDescentParameters(0.1).learning_rate
      0.1
    """

    learning_rate: float
    use_gradient_accumulation: bool = True
    clip_weight_min: float | None = None
    clip_weight_max: float | None = None
    weight_decay_factor: float | None = None
    multiply_weight_decay_factor_by_learning_rate: bool | None = None
    clip_gradient_min: float | None = None
    clip_gradient_max: float | None = None


@dataclasses.dataclass(frozen=True)
class AdagradParameters(OptimizationParameters):
    """Adagrad: `a += g * g; w -= learning_rate * g / sqrt(a)`.

    Attributes:
      learning_rate: Static learning rate.
      initial_accumulator: What `a` starts with, > 0.
      use_gradient_accumulation: See `OptimizationParameters`, as for all that follow.
      clip_weight_min: Lower limit of weights, None for none.
      clip_weight_max: Upper limit of weights.
      weight_decay_factor: Part of the weights that a step takes off.
      multiply_weight_decay_factor_by_learning_rate: Whether that is per unit of learning rate.
      clip_gradient_min: Lower limit of gradients.
      clip_gradient_max: Upper limit of gradients.

    Raises:
      ValueError: `initial_accumulator` is not positive, or options exclude each other.

    Example:
      >>> AdagradParameters(0.1).initial_accumulator
      0.1
    """

    learning_rate: float
    initial_accumulator: float = 0.1
    use_gradient_accumulation: bool = True
    clip_weight_min: float | None = None
    clip_weight_max: float | None = None
    weight_decay_factor: float | None = None
    multiply_weight_decay_factor_by_learning_rate: bool | None = None
    clip_gradient_min: float | None = None
    clip_gradient_max: float | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.initial_accumulator <= 0:
            _refuse("initial_accumulator", self.initial_accumulator, "greater than zero")

    @property
    def slots(self) -> tuple[tuple[str, float], ...]:
        """The accumulator `a`."""
        return (("Adagrad", self.initial_accumulator),)


@dataclasses.dataclass(frozen=True)
class AdamParameters(OptimizationParameters):
    """Adam without correction of its bias, as TPUs have it.

    `m = beta1 * m + (1 - beta1) * g; v = beta2 * v + (1 - beta2) * g * g;
    w -= learning_rate * m / sqrt(v + epsilon * epsilon)`. For the correction give a
    `learning_rate_fn` that multiplies by `sqrt(1 - beta2 ** t) / (1 - beta1 ** t)`.

    Attributes:
      learning_rate: Static learning rate.
      beta1: Decay of `m`, in [0, 1).
      beta2: Decay of `v`, in [0, 1).
      epsilon: > 0.
      lazy_adam: Whether only rows that are looked up change. False: `m` and `v` of all rows decay
        and all rows move in every step, which costs time that grows with the table.
      sum_inside_sqrt: False: divides by `sqrt(v) + epsilon` instead.
      use_gradient_accumulation: See `OptimizationParameters`, as for all that follow.
      clip_weight_min: Lower limit of weights, None for none.
      clip_weight_max: Upper limit of weights.
      weight_decay_factor: Part of the weights that a step takes off.
      multiply_weight_decay_factor_by_learning_rate: Whether that is per unit of learning rate.
      clip_gradient_min: Lower limit of gradients.
      clip_gradient_max: Upper limit of gradients.

    Raises:
      ValueError: A value is out of its range, or options exclude each other.

    Example:
      >>> AdamParameters(0.001).beta2
      0.999
    """

    learning_rate: float
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-08
    lazy_adam: bool = True
    sum_inside_sqrt: bool = True
    use_gradient_accumulation: bool = True
    clip_weight_min: float | None = None
    clip_weight_max: float | None = None
    weight_decay_factor: float | None = None
    multiply_weight_decay_factor_by_learning_rate: bool | None = None
    clip_gradient_min: float | None = None
    clip_gradient_max: float | None = None

    def __post_init__(self):
        super().__post_init__()
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                _refuse(name, getattr(self, name), "in [0, 1)")
        if self.epsilon <= 0:
            _refuse("epsilon", self.epsilon, "positive")
        if not self.use_gradient_accumulation and not self.lazy_adam:
            raise ValueError(
                "With `lazy_adam`=False gradient accumulation must be used; got "
                "`use_gradient_accumulation`=False."
            )

    @property
    def slots(self) -> tuple[tuple[str, float], ...]:
        """The moments `m` and `v`."""
        return (("Adam/m", 0.0), ("Adam/v", 0.0))


@dataclasses.dataclass(frozen=True)
class FtrlParameters(OptimizationParameters):
    """FTRL-proximal, with an accumulator and a linear slot.

    Attributes:
      learning_rate: Static learning rate.
      learning_rate_power: How the learning rate falls with the accumulator, <= 0.
      initial_accumulator_value: What the accumulator starts with, >= 0.
      l1_regularization_strength: >= 0.
      l2_regularization_strength: >= 0.
      use_gradient_accumulation: See `OptimizationParameters`, as for those that follow.
      clip_weight_min: Lower limit of weights, None for none.
      clip_weight_max: Upper limit of weights.
      weight_decay_factor: Part of the weights that a step takes off.
      multiply_weight_decay_factor_by_learning_rate: Whether that is per unit of learning rate.
      multiply_linear_by_learning_rate: Whether the linear slot is kept times the learning rate,
        so that a learning rate of 0 is possible.
      beta: Added to the root of the accumulator, >= 0.
      allow_zero_accumulator: Accepted. An accumulator of zero is fine here in any case.
      clip_gradient_min: Lower limit of gradients.
      clip_gradient_max: Upper limit of gradients.

    Raises:
      ValueError: A value is out of its range, or options exclude each other.

    Example:
      >>> FtrlParameters(0.1).learning_rate_power
      -0.5
    """

    learning_rate: float
    learning_rate_power: float = -0.5
    initial_accumulator_value: float = 0.1
    l1_regularization_strength: float = 0.0
    l2_regularization_strength: float = 0.0
    use_gradient_accumulation: bool = True
    clip_weight_min: float | None = None
    clip_weight_max: float | None = None
    weight_decay_factor: float | None = None
    multiply_weight_decay_factor_by_learning_rate: bool | None = None
    multiply_linear_by_learning_rate: bool = False
    beta: float = 0
    allow_zero_accumulator: bool = False
    clip_gradient_min: float | None = None
    clip_gradient_max: float | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.learning_rate_power > 0:
            _refuse("learning_rate_power", self.learning_rate_power, "less than or equal to 0")
        for name in (
            "initial_accumulator_value",
            "l1_regularization_strength",
            "l2_regularization_strength",
        ):
            if getattr(self, name) < 0:
                _refuse(name, getattr(self, name), "greater than or equal to 0")

    @property
    def initial_linear_value(self) -> float:
        """What the linear slot starts with."""
        return 0.0

    @property
    def slots(self) -> tuple[tuple[str, float], ...]:
        """The accumulator and the linear slot."""
        return (("Ftrl", self.initial_accumulator_value), ("Ftrl_1", self.initial_linear_value))
