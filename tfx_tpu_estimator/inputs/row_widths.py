"""How wide the rows are that the host fills up for the devices: as the data needs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def round_up(width: int) -> int:
    """Returns the next power of two, so that few widths occur; each is a program of its own.

    Example:
      >>> [round_up(width) for width in (0, 1, 3, 8)]
      [1, 1, 4, 8]
    """
    return 1 << max(0, width - 1).bit_length()


class RowWidths:
    """The widths of the rows of an input, which grow and never shrink.

    Args:
      shards: `TensorShards` and `StageShards`, one for each array of a step.
    """

    def __init__(self, shards: Sequence[Any]):
        self._shards = list(shards)
        self._widths = {i: 1 for i, s in enumerate(self._shards) if s.fill is not None}

    def make_arrays(self, steps: int, copies: int) -> list[np.ndarray]:
        """Returns arrays [steps, copies, ...one replica's shape] to be written."""
        arrays = []
        for i, shard in enumerate(self._shards):
            shape = list(shard.replica_shape)
            if i in self._widths:
                shape[-1] = self._widths[i]
            arrays.append(np.empty((steps, copies, *shape), shard.spec.dtype.as_numpy_dtype))
        return arrays

    def make_room(self, arrays: list[np.ndarray], batch: Sequence[Any]) -> None:
        """Widens arrays in which a batch would not have room, in the list."""
        for i, width in self._widths.items():
            needed = self._shards[i].width_of(batch[i])
            if needed > width:
                self._widths[i] = round_up(needed)
                arrays[i] = widen(arrays[i], self._widths[i], self._shards[i].fill)


def widen(array: np.ndarray, width: int, fill: float) -> np.ndarray:
    """Returns an array [..., width] with `fill` behind what is there."""
    wider = np.full((*array.shape[:-1], width), fill, array.dtype)
    wider[..., : array.shape[-1]] = array
    return wider
