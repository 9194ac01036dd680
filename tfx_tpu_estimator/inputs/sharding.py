"""How one batch of an input becomes one batch for each replica that it feeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
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
      static: Whether the declared shape says how long that dimension is.
      fill: What fills up rows whose width, the last dimension, varies from batch to batch, and is
        1 in `spec`; None for a static shape.
    """

    name: str
    spec: tf.TypeSpec
    parts: int
    axis: int | None
    size: int
    varies: bool
    static: bool
    fill: float | None = None

    @property
    def replica_shape(self) -> tuple[int, ...]:
        """The static shape of what one replica gets."""
        return tuple(size for size in self.spec.shape.as_list() if size is not None)

    def width_of(self, batch: np.ndarray) -> int | None:
        """Returns how wide the rows of a batch are; None if that is static."""
        return None if self.fill is None else batch.shape[-1]

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
        if self.fill is not None:
            batch = widen_rows(batch, target.shape[-1], self.fill)
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
            raise batch_mismatch_error(self.name, rows, self.size, batch.shape)


def batch_mismatch_error(
    names: str, rows: int, size: int, shape: Sequence[int] | None = None
) -> ValueError:
    """The error for a batch that has not as many examples as it should."""
    found = "" if shape is None else f" (shape {list(shape)})"
    return ValueError(
        f"`{names}`: a batch of {rows} examples came where {size} are expected{found}. Batch by "
        "params['batch_size'] in input_fn."
    )


def plan_shards(
    structure: InputStructure,
    *,
    pipeline: InputPipelineConfig,
    parts: int,
    batch_size: int,
    mode: str,
    batch_axis: Sequence[int] | None = None,
    fills: Mapping[str, float] | None = None,
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
      fills: By path of a tensor whose rows may be of any size what fills them up.

    Returns:
      One entry per flat tensor.

    Raises:
      ValueError: A shape is not static, or cannot be split; `batch_axis` does not fit.
      TypeError: `batch_axis` is given in PREDICT.
    """
    axes = _resolve_axes(structure, pipeline, mode, batch_axis)
    names, specs = structure.list_names(), structure.flatten()
    return tuple(
        _plan_any_width(
            name, spec, axis, fills or {}, parts=parts, batch_size=batch_size, mode=mode
        )
        for name, spec, axis in zip(names, specs, axes, strict=True)
    )


def _plan_any_width(
    name: str, spec: Any, axis: int, fills: Mapping[str, float], **arguments: Any
) -> TensorShards:
    """Plans a tensor, whose last dimension counts as 1 if it is of no static size."""
    if name not in fills or spec.shape[-1] is not None:
        return _plan_tensor(name, spec, axis, **arguments)
    narrow = tf.TensorSpec([*spec.shape.as_list()[:-1], 1], spec.dtype)
    shards = _plan_tensor(name, narrow, axis, **arguments)
    return dataclasses.replace(shards, fill=fills[name])


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
    name: str, spec: tf.TypeSpec, axis: int, *, parts: int, batch_size: int, mode: str
) -> TensorShards:
    is_dense = isinstance(spec, tf.TensorSpec)
    if is_dense:
        _validate_static(name, spec, axis, mode)
    elif not spec.shape.rank or axis:
        raise ValueError(
            f"`{name}` {spec}: the examples of a sparse or ragged tensor are along its first "
            f"dimension, and its rank must be known; got `batch_axis` {axis}."
        )
    shape: list[int | None] = spec.shape.as_list()
    if not shape:
        if parts > 1:
            raise ValueError(
                f"`{name}` is a scalar, which cannot be split over {parts} replicas. Give it a "
                "batch dimension, or use PER_HOST_V2, where each replica gets its own."
            )
        return TensorShards(
            name=name, spec=spec, parts=1, axis=None, size=1, varies=False, static=True
        )
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
        spec=with_shape(spec, shape),
        parts=parts,
        axis=axis,
        size=size,
        varies=static is None and mode != ModeKeys.TRAIN,
        static=static is not None,
    )


def with_shape(spec: tf.TypeSpec, shape: Sequence[int | None]) -> tf.TypeSpec:
    """Returns a spec of the same kind of tensor with another shape."""
    if isinstance(spec, tf.RaggedTensorSpec):
        return tf.RaggedTensorSpec(
            shape, spec.dtype, spec.ragged_rank, row_splits_dtype=spec.row_splits_dtype
        )
    kind: Any = type(spec)
    return kind(shape, spec.dtype)


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


def widen_rows(batch: np.ndarray, width: int, fill: float) -> np.ndarray:
    """Fills the last dimension up.

    Args:
      batch: [..., at most width].
      width: How large it shall be.
      fill: With what.

    Returns:
      The batch itself if it is of that width, else a new array.

    Example:
      >>> widen_rows(np.array([[3], [4]]), 2, -1).tolist()
      [[3, -1], [4, -1]]
    """
    missing = width - batch.shape[-1]
    if missing <= 0:
        return batch
    widths = [(0, 0)] * (batch.ndim - 1) + [(0, missing)]
    return np.pad(batch, widths, constant_values=fill)


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
