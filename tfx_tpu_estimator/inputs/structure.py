"""The structure of an input: which tensors it has, by path, as specs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import tensorflow as tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputStructure:
    """Features and labels as nested specs of tensors.

    Attributes:
      features: A tf.TensorSpec, tf.SparseTensorSpec or tf.RaggedTensorSpec, or a nested structure
        of them.
      labels: The same, or None where the input has none.
    """

    features: Any
    labels: Any

    def flatten(self) -> list[tf.TypeSpec]:
        """Returns the specs of the features, then of the labels, in the order of tf.nest."""
        return flatten_inputs(self.features, self.labels)

    def list_names(self) -> list[str]:
        """Returns the path of each flat tensor, such as `features/x`."""
        names = list_paths(self.features, "features")
        return names if self.labels is None else names + list_paths(self.labels, "labels")

    def replace_specs(self, specs: Sequence[tf.TypeSpec]) -> InputStructure:
        """Returns the same structure with other specs, given flat."""
        count = len(tf.nest.flatten(self.features))
        labels = self.labels
        if labels is not None:
            labels = tf.nest.pack_sequence_as(labels, list(specs[count:]))
        return InputStructure(
            features=tf.nest.pack_sequence_as(self.features, list(specs[:count])), labels=labels
        )


def flatten_inputs(features: Any, labels: Any) -> list[Any]:
    """Returns the leaves of the features, then of the labels unless they are None."""
    return tf.nest.flatten(features) + ([] if labels is None else tf.nest.flatten(labels))


def list_paths(nested: Any, prefix: str) -> list[str]:
    """Returns the path of each leaf of a nested structure, in the order of tf.nest.flatten.

    Args:
      nested: Dicts, lists and tuples of leaves.
      prefix: What the paths start with.

    Example:
      >>> list_paths({"b": 1, "a": (2, 3)}, "features")
      ['features/a/0', 'features/a/1', 'features/b']
    """
    if isinstance(nested, dict):
        items: Sequence[tuple[Any, Any]] = [(key, nested[key]) for key in sorted(nested)]
    elif isinstance(nested, list | tuple):
        items = list(enumerate(nested))
    else:
        return [prefix]
    return [path for key, value in items for path in list_paths(value, f"{prefix}/{key}")]


def describe_structure(features: Any, labels: Any) -> InputStructure:
    """Returns the structure of the tensors of one batch.

    Args:
      features: A dense, sparse or ragged tensor, or a nested structure of them.
      labels: The same, or None.

    Raises:
      TypeError: Something is not a tensor; names it.
      ValueError: A tensor is of a kind that no model can take; names it.
    """
    parts = {}
    for role, nested in (("features", features), ("labels", labels)):
        if nested is None:
            parts[role] = None
            continue
        leaves = tf.nest.flatten(nested)
        for name, leaf in zip(list_paths(nested, role), leaves, strict=True):
            _validate_leaf(role, name, leaf)
        parts[role] = tf.nest.pack_sequence_as(nested, [_describe(leaf) for leaf in leaves])
    return InputStructure(**parts)


def is_device_spec(spec: tf.TypeSpec) -> bool:
    """Whether a device can take tensors of this kind: dense ones, not of strings."""
    return isinstance(spec, tf.TensorSpec) and spec.dtype != tf.string


def _describe(leaf: Any) -> tf.TypeSpec:
    if isinstance(leaf, tf.Tensor):
        return tf.TensorSpec(leaf.shape, leaf.dtype)
    if isinstance(leaf, tf.SparseTensor):
        return tf.SparseTensorSpec(leaf.shape, leaf.dtype)
    return tf.type_spec_from_value(leaf)


def _validate_leaf(role: str, name: str, leaf: Any) -> None:
    if not isinstance(leaf, tf.Tensor | tf.SparseTensor | tf.RaggedTensor):
        raise TypeError(
            f"The {role} to the model returned by input_fn must be dense, sparse or ragged "
            f"tensors; `{name}` is {leaf!r}."
        )
    if leaf.dtype in (tf.resource, tf.variant):
        raise ValueError(
            f"The {role} to the model returned by input_fn hold `{name}`, a tensor of "
            f"{leaf.dtype.name}, which no model can take. Drop it in input_fn."
        )


def validate_same_structure(first: InputStructure, other: InputStructure, which: str) -> None:
    """Checks that two calls of an input_fn returned alike.

    Args:
      first: What the first call returned.
      other: What another returned.
      which: Names the other call, for the message.

    Raises:
      ValueError: Names, shapes or dtypes differ; says which.
    """
    known = dict(zip(first.list_names(), first.flatten(), strict=True))
    found = dict(zip(other.list_names(), other.flatten(), strict=True))
    differing = [n for n in sorted(known.keys() | found.keys()) if known.get(n) != found.get(n)]
    if differing:
        name = differing[0]
        raise ValueError(
            "Every call of `input_fn` must return the same structure, shapes and dtypes. "
            f"`{name}` was {known.get(name, 'absent')} in the first call and "
            f"{found.get(name, 'absent')} in {which}."
        )
