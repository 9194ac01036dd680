"""Checks of the sizes and shares that canned models are made with."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

_COMBINERS = ("sum", "mean", "sqrtn")


def validate_hidden_units(hidden_units: Any, name: str) -> tuple[int, ...]:
    """Returns the units of each hidden layer.

    Args:
      hidden_units: An iterable of ints > 0; an empty one leaves the logits layer alone.
      name: Of the argument, for the message.

    Raises:
      ValueError: It is something else.

    Example:
      >>> validate_hidden_units([16, 8], "hidden_units")
      (16, 8)
    """
    if (
        hidden_units is None
        or isinstance(hidden_units, str)
        or not isinstance(hidden_units, Iterable)
    ):
        raise ValueError(
            f"`{name}` must be a list of ints, one per hidden layer, such as [64, 32]; got "
            f"{hidden_units!r}."
        )
    units = tuple(hidden_units)
    for value in units:
        # numpy's integers, too, have __index__.
        if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < 1:
            raise ValueError(f"Items of `{name}` must be ints > 0; got {value!r} in {units}.")
    return tuple(int(value) for value in units)


def validate_dropout(dropout: Any, name: str) -> None:
    """Checks the share of activations to drop.

    Raises:
      ValueError: It is neither None nor a number from 0 to less than 1.
    """
    if dropout is None:
        return
    if isinstance(dropout, bool) or not isinstance(dropout, int | float) or not 0 <= dropout < 1:
        raise ValueError(
            f"`{name}` must be None or a number from 0 to less than 1, the share to drop; got "
            f"{dropout!r}."
        )


def validate_combiner(combiner: Any, name: str) -> None:
    """Checks how the values of a categorical column are combined.

    Raises:
      ValueError: It is none of the three ways.
    """
    if combiner not in _COMBINERS:
        raise ValueError(f"`{name}` must be one of {_COMBINERS}; got {combiner!r}.")


def falling_rate(largest: float, columns: int) -> float:
    """Returns a linear model's learning rate for so many columns.

    Args:
      largest: Upper limit.
      columns: How many feature columns there are.

    Example:
      >>> falling_rate(0.2, 100)
      0.1
    """
    return min(largest, 1.0 / math.sqrt(columns))
