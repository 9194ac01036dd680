"""Checks that the components' option classes share."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable
from typing import Any

from tfx_tpu_estimator.suggestions import suggest
from tfx_tpu_estimator.wording import with_article


def describe_unknown(kind: str, name: str, allowed: Iterable[str]) -> str:
    """Says that `name` is no field of the class called `kind`, and which was probably meant."""
    allowed = list(allowed)
    hint = suggest(name, allowed, quote="`")
    return f"`{name}` is not {with_article(kind)} field.{hint} Allowed: {', '.join(allowed)}."


def check_names(kind: str, given: Iterable[str], allowed: Iterable[str]) -> None:
    """Checks the keyword arguments of an option class.

    Raises:
        TypeError: If one is no field; the message has the nearest name.
    """
    allowed = list(allowed)
    for name in given:
        if name not in allowed:
            raise TypeError(describe_unknown(kind, name, allowed))


def field_names(options: Any) -> list[str]:
    """Returns the names of the fields of an option class, or of one of its values, in order."""
    return [field.name for field in dataclasses.fields(options)]


class CheckedNames:
    """What option classes, which are dataclasses, derive from to refuse names of no field."""

    def __new__(cls, **given: Any):
        """Refuses names of no field, with the nearest that is one."""
        check_names(cls.__name__, given, field_names(cls))
        return super().__new__(cls)


def read_json_object(kind: str, text: str, allowed: Iterable[str]) -> dict[str, Any]:
    """Reads options from JSON.

    Args:
        kind: Name of the option class.
        text: A JSON object of option names and values.
        allowed: Names of its fields.

    Raises:
        ValueError: If `text` is no JSON object or has a key that is no field.
    """
    values = json.loads(text)
    if not isinstance(values, dict):
        raise ValueError(f"`options` must be a JSON object, got {text[:80]!r}.")
    allowed = list(allowed)
    for name in values:
        if name not in allowed:
            raise ValueError(describe_unknown(kind, name, allowed))
    return values


def check_type(name: str, value: Any, kind: type) -> None:
    """Checks that an option is of the type `kind`.

    Raises:
        TypeError: If it is of another.
    """
    if not isinstance(value, kind):
        raise TypeError(f"`{name}` must be {kind.__name__}, got {value!r}.")


def check_int(name: str, value: Any, least: int | None = None) -> None:
    """Checks that an option is an int, at least `least` where that is given.

    Raises:
        TypeError: If it is no int.
        ValueError: If it is too small.
    """
    # bool is an int to Python, never a number of examples.
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"`{name}` must be int, got {value!r}.")
    if least is not None and value < least:
        wanted = "positive" if least == 1 else f">= {least}"
        raise ValueError(f"`{name}` must be {wanted}, got {value}.")


def check_number(name: str, value: Any, *, positive: bool = False) -> None:
    """Checks that an option is a finite number, >= 0, or > 0 if it must be positive.

    Raises:
        TypeError: If it is no number.
        ValueError: If it is out of range.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"`{name}` must be a number, got {value!r}.")
    if not math.isfinite(value) or value < 0 or (positive and value == 0):
        raise ValueError(f"`{name}` must be {'positive' if positive else '>= 0'}, got {value}.")


def check_choice(name: str, value: Any, allowed: Iterable[str]) -> None:
    """Checks that an option is one of `allowed`.

    Raises:
        ValueError: If it is another; the message has the nearest.
    """
    allowed = list(allowed)
    if value in allowed:
        return
    hint = suggest(value, allowed)
    raise ValueError(f"`{name}` must be one of {', '.join(allowed)}; got {value!r}.{hint}")
