"""Lists of variables, as `tf.contrib.framework` gave them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

_v1 = tf.compat.v1


def get_variables(
    scope: str | None = None,
    suffix: str | None = None,
    collection: str = _v1.GraphKeys.GLOBAL_VARIABLES,
) -> list[Any]:
    """Returns the variables of a collection.

    Args:
        scope: Only names that match this regular expression from their start.
        suffix: Only names that end with this after the last '/'.
        collection: Key of the collection.
    """
    if suffix is not None:
        suffix = suffix.partition(":")[0]
        scope = f"{scope or ''}.*{re.escape(suffix)}$"
        # Names of variables end in ':0', which the suffix leaves out.
        return [v for v in _v1.get_collection(collection) if re.match(scope, v.op.name)]
    return _v1.get_collection(collection, scope)


def get_trainable_variables(scope: str | None = None, suffix: str | None = None) -> list[Any]:
    """Returns trainable variables; arguments as those of `get_variables`."""
    return get_variables(scope, suffix, _v1.GraphKeys.TRAINABLE_VARIABLES)


def get_model_variables(scope: str | None = None, suffix: str | None = None) -> list[Any]:
    """Returns the variables of the model; arguments as those of `get_variables`."""
    return get_variables(scope, suffix, _v1.GraphKeys.MODEL_VARIABLES)


def get_variables_by_name(given_name: str, scope: str | None = None) -> list[Any]:
    """Returns the variables whose name ends with `given_name`."""
    return get_variables(scope, suffix=given_name)


def get_variables_to_restore(
    include: Sequence[str] | None = None, exclude: Sequence[str] | None = None
) -> list[Any]:
    """Returns variables by scopes.

    Args:
        include: Scopes to take; None takes all variables.
        exclude: Scopes to leave out of those.
    """
    chosen = [v for scope in include for v in get_variables(scope)] if include else get_variables()
    left_out = {v.name for scope in exclude or () for v in get_variables(scope)}
    unique = {v.name: v for v in chosen}
    return [v for name, v in unique.items() if name not in left_out]
