"""Arrays on the host that TensorFlow can read where they are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

# TensorFlow reads an array in place if it starts at a multiple of this many bytes, else copies it.
ALIGNMENT = 64


def copy_aligned(value: np.ndarray) -> np.ndarray:
    """Returns a copy of `value` that a session reads in place when it is fed.

    numpy aligns to 16 bytes, so that a session would copy most of its arrays once more.

    Args:
      value: An array of any shape and dtype; strings are copied without alignment.

    Example:
      >>> copy_aligned(np.arange(3)).ctypes.data % ALIGNMENT
      0
    """
    if value.dtype.hasobject or value.dtype.kind in "SU":
        return value.copy()
    copy = make_aligned(value.shape, value.dtype)
    np.copyto(copy, value)
    return copy


def make_aligned(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """Returns a new array, with anything in it, that a session reads in place when it is fed.

    Args:
      shape: Its shape.
      dtype: A dtype of numbers.

    Example:
      >>> make_aligned((2, 3), np.dtype("float32")).ctypes.data % ALIGNMENT
      0
    """
    size = math.prod(shape) * dtype.itemsize
    buffer = np.empty(size + ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % ALIGNMENT
    return buffer[start : start + size].view(dtype).reshape(shape)
