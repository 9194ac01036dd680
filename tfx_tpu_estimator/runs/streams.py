"""Connects a host's input with a program: the same arrays, in the shapes that each wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tfx_tpu_estimator.execution.executable import Executable


def place_with(executable: Executable) -> Callable[[list[np.ndarray]], list[Any]]:
    """Returns what moves a loop's arrays to the devices of `executable`.

    The input gives [K, replicas, n, ...]; the program's devices divide [K, replicas * n, ...].
    """

    def place(arrays: list[np.ndarray]) -> list[Any]:
        return executable.place_batches([merge_replicas(array) for array in arrays])

    return place


def merge_replicas(array: np.ndarray) -> np.ndarray:
    """Returns [K, replicas * n, ...] for [K, replicas, n, ...]; [K, replicas] stays as it is."""
    if array.ndim == 2:
        return array
    return array.reshape(array.shape[0], -1, *array.shape[3:])
