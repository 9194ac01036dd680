"""Arrays on the host that TensorFlow can read where they are."""

from __future__ import annotations

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
    buffer = np.empty(value.nbytes + ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % ALIGNMENT
    copy = buffer[start : start + value.nbytes].view(value.dtype).reshape(value.shape)
    np.copyto(copy, value)
    return copy
