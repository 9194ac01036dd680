"""Slices in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def describe_slice(sliced: Any) -> str:
    """Returns the slice, or the pair of slices, that a message of TFMA is about.

    Args:
        sliced: A MetricsForSlice or a MetricsValidationForSlice.
    """
    if sliced.HasField("cross_slice_key"):
        cross = sliced.cross_slice_key
        return (
            f"{describe_keys(cross.baseline_slice_key.single_slice_keys)} against "
            f"{describe_keys(cross.comparison_slice_key.single_slice_keys)}"
        )
    return describe_keys(sliced.slice_key.single_slice_keys)


def describe_keys(keys: Sequence[Any]) -> str:
    """Returns a slice as `country=de, day=3`."""
    if not keys:
        return "all examples"
    return ", ".join(f"{key.column}={_read_value(key)}" for key in keys)


def _read_value(key: Any) -> Any:
    value = getattr(key, key.WhichOneof("kind"))
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
