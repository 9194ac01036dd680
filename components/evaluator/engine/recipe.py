"""A recipe: a combiner of TensorFlow Model Analysis as sums over whole batches."""

from __future__ import annotations

import abc
from typing import Any

import numpy as np

from .batch import Batch


class Recipe(abc.ABC):
    """Turns batches into numbers that are added up by slice, and the sums into a metric.

    Args:
        combiner: What it stands in for; it makes the metric of an accumulator.
        width: Positions that sums are kept for, such as the buckets of a histogram.
        values: Sums at each position.
    """

    def __init__(self, combiner: Any, *, width: int = 1, values: int):
        self.combiner = combiner
        self.width = width
        self.values = values

    @abc.abstractmethod
    def enter(self, batch: Batch) -> tuple[np.ndarray | None, np.ndarray]:
        """Makes the entries of a batch.

        Args:
            batch: The examples.

        Returns:
            [n, entries of an example] positions, -1 for none, or None where all are 0; and
            [n, entries of an example, values] float64.

        Raises:
            UnusualDataError: If the batch is left to the combiner.
        """

    @abc.abstractmethod
    def accumulate(self, positions: np.ndarray, sums: np.ndarray) -> Any:
        """Makes the combiner's accumulator.

        Args:
            positions: [m] in order.
            sums: [m, values].
        """

    def extract(self, positions: np.ndarray, sums: np.ndarray) -> dict[Any, Any]:
        """Makes the metrics; arguments as in `accumulate`."""
        return self.combiner.extract_output(self.accumulate(positions, sums))


def stack(*columns: np.ndarray) -> np.ndarray:
    """Returns [n, entries, values] float64 of arrays [n, entries]."""
    return np.stack([column.astype(np.float64) for column in columns], axis=2)
