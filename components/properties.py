"""Writes and reads custom properties of artifacts, the one place that knows their types."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from tfx import types

from tfx_tpu_estimator.version import __version__

from . import constants


def set_custom_property(artifact: types.Artifact, key: str, value: Any) -> None:
    """Sets one custom property with the type that fits the value.

    Args:
        artifact: The artifact to write to.
        key: Name of the property.
        value: A bool or integer (stored as int), a float (stored as float; NaN and infinities
            as text, which a database column cannot hold as numbers) or a string. None: nothing
            is set.
    """
    if value is None:
        return
    if isinstance(value, numbers.Integral):
        artifact.set_int_custom_property(key, int(value))
    elif isinstance(value, numbers.Real):
        number = float(value)
        if math.isfinite(number):
            artifact.set_float_custom_property(key, number)
        else:
            artifact.set_string_custom_property(key, str(number))
    else:
        artifact.set_string_custom_property(key, str(value))


def set_custom_properties(artifact: types.Artifact, values: Mapping[str, Any]) -> None:
    """Sets each of `values` as a custom property; None values are skipped."""
    for key, value in values.items():
        set_custom_property(artifact, key, value)


def set_metrics(artifact: types.Artifact, metrics: Mapping[str, Any], prefix: str = "") -> None:
    """Records scalar metrics as `metric/<prefix><name>`, as floats."""
    for name, value in metrics.items():
        if name != constants.GLOBAL_STEP and isinstance(value, numbers.Real):
            set_custom_property(artifact, f"{constants.METRIC_PREFIX}{prefix}{name}", float(value))


def read_int(artifact: types.Artifact, key: str) -> int | None:
    """Reads an integer property that a runner may have stored as a float or as text.

    Returns:
        The integer; None where the property is absent or is text that is no number.
    """
    if not artifact.has_custom_property(key):
        return None
    value = artifact.mlmd_artifact.custom_properties[key]
    kind = value.WhichOneof("value")
    if kind == "struct_value":
        # Vertex hands numbers over inside a struct.
        return int(artifact.get_float_custom_property(key))
    try:
        return int(getattr(value, kind)) if kind else None
    except ValueError:
        return None


def describe_versions() -> dict[str, str]:
    """Returns the versions that a run depends on, as properties."""
    return {
        constants.PACKAGE_VERSION: __version__,
        constants.TENSORFLOW_VERSION: tf.__version__,
    }


def join_tag_sets(tag_sets: Sequence[Sequence[str]]) -> str:
    """Writes tag sets as text, for example `serve;serve,tpu`."""
    return ";".join(",".join(tags) for tags in tag_sets)
