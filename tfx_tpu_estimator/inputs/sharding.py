"""How one batch of an input becomes one batch for each replica that it feeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.config.tpu_config import InputPipelineConfig
from tfx_tpu_estimator.inputs.padding import count_rows, pad_rows
from tfx_tpu_estimator.inputs.structure import InputStructure
from tfx_tpu_estimator.modes import ModeKeys


@dataclasses.dataclass(frozen=True, kw_only=True)
class TensorShards:
    """How one tensor of a batch is divided.

    Attributes:
      name: Its path, such as `features/x`.
      spec: What one replica gets.
      parts: Over how many replicas a batch is split; 1: each batch goes whole to one of them.
      axis: The dimension that examples are counted along; None for a scalar.
      size: Length of that dimension in a full batch of the input; 1 for a scalar.
      varies: Whether a batch may be shorter, which is then padded.
    """

    name: str
    spec: tf.TensorSpec
    parts: int
    axis: int | None
    size: int
    varies: bool

    @property
    def replica_shape(self) -> tuple[int, ...]:
        """The static shape of what one replica gets."""
        return tuple(size for size in self.spec.shape.as_list() if size is not None)

    def write(self, target: np.ndarray, batch: np.ndarray) -> int:
        """Copies a batch into the rows of its replicas.

        Args:
          target: [parts, *spec.shape].
          batch: [..., size or fewer along `axis`, ...].

        Returns:
          How many examples were real; the rest is padding.

        Raises:
          ValueError: The batch is larger than the full size, or not of the declared shape.
        """
        rows = count_rows(batch, self.axis)
        if rows != self.size:
            self._validate_partial(batch, rows)
            batch = pad_rows(batch, self.axis or 0, self.size)
        split = self._split(batch)
        # Assigning would stretch dimensions of size 1 silently.
        if split.shape != target.shape:
            raise ValueError(
                f"`{self.name}` was declared to be {self.spec} for each replica, but a batch of "
                f"shape {list(batch.shape)} came."
            )
        target[...] = split
        return rows

    def _split(self, batch: np.ndarray) -> np.ndarray:
        if self.parts == 1 or self.axis is None:
            return batch[np.newaxis]
        shape = batch.shape
        before, after = shape[: self.axis], shape[self.axis + 1 :]
        divided = batch.reshape(*before, self.parts, self.size // self.parts, *after)
        return np.moveaxis(divided, self.axis, 0)

    def _validate_partial(self, batch: np.ndarray, rows: int) -> None:
        if rows > self.size or not self.varies:
            raise ValueError(
                f"`{self.name}`: a batch of {rows} examples came where {self.size} are expected "
                f"(shape {list(batch.shape)}). Batch by params['batch_size'] in input_fn."
            )


def plan_shards(
    structure: InputStructure,
    *,
    pipeline: InputPipelineConfig,
    parts: int,
    batch_size: int,
    mode: str,
    batch_axis: Sequence[int] | None = None,
) -> tuple[TensorShards, ...]:
    """Decides how each tensor of an input is divided, from its declared shapes alone.

    Args:
      structure: One batch of the input.
      pipeline: The input configuration of the mode.
      parts: Over how many replicas a batch is split.
      batch_size: Examples of a full batch of the input, for dimensions that are not static.
      mode: A value of `ModeKeys`. Except in TRAIN the number of examples need not be static.
      batch_axis: Along which dimension each flat tensor is split; used in PER_HOST_V1 only.
        Default: along the first.

    Returns:
      One entry per flat tensor.

    Raises:
      ValueError: A shape is not static, or cannot be split; `batch_axis` does not fit.
      TypeError: `batch_axis` is given in PREDICT.
    """
    axes = _resolve_axes(structure, pipeline, mode, batch_axis)
    names, specs = structure.list_names(), structure.flatten()
    return tuple(
        _plan_tensor(name, spec, axis, parts=parts, batch_size=batch_size, mode=mode)
        for name, spec, axis in zip(names, specs, axes, strict=True)
    )


def _resolve_axes(
    structure: InputStructure,
    pipeline: InputPipelineConfig,
    mode: str,
    batch_axis: Sequence[int] | None,
) -> Sequence[int]:
    names = structure.list_names()
    if batch_axis is None:
        return [0] * len(names)
    if mode == ModeKeys.PREDICT:
        raise TypeError(
            f"`batch_axis` is not supported in prediction; got {tuple(batch_axis)!r}. Use an "
            "estimator without it, whose examples are along the first dimension."
        )
    if pipeline is not InputPipelineConfig.PER_HOST_V1:
        return [0] * len(names)
    if len(batch_axis) != len(names):
        raise ValueError(
            f"`batch_axis` must have one entry for each of the {len(names)} input tensors "
            f"{names}; got {tuple(batch_axis)!r}."
        )
    return list(batch_axis)


def _plan_tensor(
    name: str, spec: tf.TensorSpec, axis: int, *, parts: int, batch_size: int, mode: str
) -> TensorShards:
    _validate_static(name, spec, axis, mode)
    shape: list[int | None] = spec.shape.as_list()
    if not shape:
        if parts > 1:
            raise ValueError(
                f"`{name}` is a scalar, which cannot be split over {parts} replicas. Give it a "
                "batch dimension, or use PER_HOST_V2, where each replica gets its own."
            )
        return TensorShards(name=name, spec=spec, parts=1, axis=None, size=1, varies=False)
    if axis >= len(shape):
        raise ValueError(
            f"`batch_axis` {axis} is not a dimension of `{name}`, whose shape is {shape}."
        )
    static = shape[axis]
    size = batch_size if static is None else static
    if size % parts:
        raise ValueError(
            f"`{name}` has {size} examples in dimension {axis} (shape {shape}), which cannot be "
            f"split over {parts} replicas. Batch by params['batch_size'] in input_fn."
        )
    shape[axis] = size // parts
    return TensorShards(
        name=name,
        spec=tf.TensorSpec(shape, spec.dtype),
        parts=parts,
        axis=axis,
        size=size,
        varies=static is None,
    )


def _validate_static(name: str, spec: tf.TensorSpec, axis: int, mode: str) -> None:
    role = name.split("/")[0]
    known = spec.shape.rank is not None and all(
        size is not None or (i == axis and mode != ModeKeys.TRAIN)
        for i, size in enumerate(spec.shape.as_list())
    )
    if not known:
        raise ValueError(
            f"The {role} to the model returned by input_fn must have static shape. Tensor: "
            f"`{name}` {spec}. Batch with drop_remainder=True, and pad what varies in length."
        )


def merge_replicas(arrays: Sequence[Any]) -> list[Any]:
    """Joins the replicas of K steps along each tensor's first dimension, without copying.

    Args:
      arrays: [K, replicas, n, ...], or [K, replicas] for scalars.

    Returns:
      [K, replicas * n, ...], and scalars unchanged: what a compiled program takes.

    Example:
      >>> merge_replicas([np.zeros([5, 8, 4, 3])])[0].shape
      (5, 32, 3)
    """
    return [a if a.ndim == 2 else a.reshape(a.shape[0], -1, *a.shape[3:]) for a in arrays]
