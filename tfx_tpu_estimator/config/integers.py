"""Small questions that several checks ask."""

from __future__ import annotations

import numbers
from typing import Any, TypeGuard


def is_int(value: Any) -> TypeGuard[int]:
    """Tells whether a value is a whole number; numpy's count, True and False do not.

    Args:
        value: anything.

    Returns:
        Whether it is an int.

    Example:
        >>> is_int(3), is_int(True), is_int(3.0)
        (True, False, False)
    """
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def validate_int(name: str, value: Any) -> None:
    """Refuses anything but a whole number.

    Args:
        name: the argument's name.
        value: its value.

    Raises:
        TypeError: if it is no int.
    """
    if not is_int(value):
        raise TypeError(f"{name} must be int, got {type(value)}: `{name}`={value!r}.")
