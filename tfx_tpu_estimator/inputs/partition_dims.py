"""Checks TPUConfig.input_partition_dims against the inputs that they are to split."""

from __future__ import annotations

import math
from typing import Any

from tfx_tpu_estimator.config.integers import is_int
from tfx_tpu_estimator.inputs.structure import InputStructure

_FIELD = "TPUConfig.input_partition_dims"


def resolve_partition_dims(
    dims: list | tuple, structure: InputStructure, cores_per_replica: int
) -> list[list[int] | None]:
    """Brings partitions and inputs together.

    Args:
      dims: One or two elements, for features and labels: a list of the number of parts of each
        dimension, None for a tensor that every core gets whole, or a dict of them.
      structure: What one replica gets.
      cores_per_replica: Cores that share it.

    Returns:
      For each flat tensor its partitions, or None.

    Raises:
      ValueError: Keys or structure differ, a partition is not >= 1, or the partitions of a tensor
        do not fit its rank or the cores.

    Example:
      >>> import tensorflow as tf
      >>> specs = InputStructure(features=tf.TensorSpec([8, 4]), labels=None)
      >>> resolve_partition_dims([[1, 2]], specs, 2)
      [[1, 2]]
    """
    flat = _match_features(dims[0], structure.features)
    if structure.labels is not None:
        flat += _match_labels(dims[1] if len(dims) == 2 else None, structure.labels)
    elif len(dims) == 2 and dims[1] is not None:
        raise ValueError(
            f"{_FIELD}[1] mismatched the structure of labels. Got {dims[1]!r}, but the input has "
            "no labels. Give one element only."
        )
    named = zip(structure.list_names(), structure.flatten(), flat, strict=True)
    for name, spec, partitions in named:
        if partitions is not None:
            _validate_partitions(name, spec.shape.rank, partitions, cores_per_replica)
    return flat


def _match_features(dims: Any, features: Any) -> list[Any]:
    if isinstance(features, dict):
        return _match_keys(dims, features, f"{_FIELD}[0] mismatched feature keys.")
    if isinstance(features, list | tuple) or isinstance(dims, dict):
        raise ValueError(
            f"{_FIELD}[0] mismatched feature structure. Features must be one tensor, or a dict of "
            f"tensors with a dict of partitions; got {type(features).__name__} and {dims!r}."
        )
    return [dims]


def _match_labels(dims: Any, labels: Any) -> list[Any]:
    if isinstance(labels, dict):
        if dims is None:
            return [None] * len(labels)
        return _match_keys(dims, labels, f"{_FIELD}[1] mismatched label keys.")
    if isinstance(labels, list | tuple) or isinstance(dims, dict):
        raise ValueError(
            f"{_FIELD}[1] mismatched the structure of labels. Labels must be one tensor, or a "
            f"dict of tensors with a dict of partitions; got {type(labels).__name__} and {dims!r}."
        )
    return [dims]


def _match_keys(dims: Any, tensors: dict, complaint: str) -> list[Any]:
    """Returns the partitions in the order in which the dict is flattened."""
    found = sorted(dims) if isinstance(dims, dict) else dims
    if found != sorted(tensors):
        raise ValueError(f"{complaint} Expected {sorted(tensors)}, got {found!r}.")
    return [dims[key] for key in sorted(tensors)]


def _validate_partitions(
    name: str, rank: int | None, partitions: Any, cores_per_replica: int
) -> None:
    is_row = isinstance(partitions, list | tuple) and all(is_int(p) for p in partitions)
    if not is_row or any(p < 1 for p in partitions):
        raise ValueError(
            f"All input partition dims must be >= 1. Got {partitions!r} for `{name}`; give a list "
            "with the number of parts of each dimension, or None."
        )
    if len(partitions) != rank:
        raise ValueError(
            "Input partition dims must have the same number of dimensions as the tensor. Got "
            f"{list(partitions)} for `{name}` of {rank} dimension(s)."
        )
    if math.prod(partitions) != cores_per_replica:
        raise ValueError(
            "The product of each input partition dim should equal to num_cores_per_replica. Got "
            f"{list(partitions)} for `{name}`, and num_cores_per_replica {cores_per_replica}."
        )
