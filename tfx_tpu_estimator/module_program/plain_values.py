"""Predictions and metrics as values that JSON has; the form is documented and stays."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np


def to_plain(value: Any) -> Any:
    """Returns a value as JSON can say it.

    Integers, booleans and finite floats are themselves, floats with as many digits as bring the
    same number back in their own type. Others are "NaN", "Infinity" and "-Infinity". Bytes are text
    if they are UTF-8, else {"b64": base64}. Arrays are nested lists, complex numbers [real,
    imaginary].

    Args:
        value: A number, string, array, list, dict or None.

    Raises:
        TypeError: It is something else.

    Example:
        >>> to_plain({"p": np.float32(0.1), "name": b"yes", "raw": b"\\xff"})
        {'p': 0.1, 'name': 'yes', 'raw': {'b64': '/w=='}}
    """
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return [to_plain(item) for item in value] if value.ndim else to_plain(value[()])
    if isinstance(value, bytes):
        return _from_bytes(value)
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, complex | np.complexfloating):
        return [to_plain(value.real), to_plain(value.imag)]
    if value is None or isinstance(value, bool | int | str):
        return value
    return _from_float(value)


def _from_bytes(value: bytes) -> Any:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode("ascii")}


def _from_float(value: Any) -> Any:
    try:
        # The text of a numpy float is the shortest that reads back as the same.
        number = float(str(value)) if isinstance(value, np.floating) else float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{type(value).__name__} cannot be written as JSON: {value!r}.") from error
    if math.isnan(number):
        return "NaN"
    return number if math.isfinite(number) else ("Infinity" if number > 0 else "-Infinity")
