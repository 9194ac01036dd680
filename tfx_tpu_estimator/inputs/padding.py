"""Partial batches in evaluation and prediction: padded to full ones, and marked as such."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def count_rows(batch: np.ndarray, axis: int | None) -> int:
    """Returns how many examples a batch has along `axis`; 1 for a scalar."""
    return 1 if axis is None else batch.shape[axis]


def pad_rows(batch: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Fills a batch up to `size` examples along `axis`.

    The last example is repeated rather than zeros added: it is in the range that the model can
    take, so that no padding makes a NaN or looks up an id that does not exist.

    Args:
      batch: [..., at most size, ...].
      axis: The dimension of the examples.
      size: How many examples there shall be.

    Returns:
      A new array; of zeros if there is no example to repeat.

    Example:
      >>> pad_rows(np.array([[1, 2], [3, 4]]), 0, 3).tolist()
      [[1, 2], [3, 4], [3, 4]]
    """
    missing = size - batch.shape[axis]
    widths = [(0, missing if i == axis else 0) for i in range(batch.ndim)]
    return np.pad(batch, widths, mode="edge" if batch.shape[axis] else "constant")


def mark_valid(rows: int, size: int, parts: int) -> np.ndarray:
    """Returns which examples of a padded batch are real, by replica.

    Args:
      rows: Real examples, which come first.
      size: Examples of a full batch.
      parts: Over how many replicas it is split.

    Returns:
      bool [parts, size / parts].

    Example:
      >>> mark_valid(3, 4, 2).tolist()
      [[True, True], [True, False]]
    """
    return (np.arange(size) < rows).reshape(parts, -1)


def agree_on_rows(names: Sequence[str], rows: Sequence[int], full: Sequence[int]) -> int:
    """Returns how many examples a batch has, which its tensors must agree on.

    Args:
      names: Paths of the tensors whose number of examples may vary.
      rows: The examples of each.
      full: How many each has in a full batch.

    Raises:
      ValueError: They differ, so that no mask could say which examples are real.
    """
    if len(set(zip(rows, full, strict=True))) > 1:
        listed = ", ".join(f"`{n}`: {r} of {f}" for n, r, f in zip(names, rows, full, strict=True))
        raise ValueError(
            "The tensors of a batch have different numbers of examples, so that a partial batch "
            f"cannot be masked: {listed}. Batch them together, or use drop_remainder=True."
        )
    return rows[0]


def drop_padding(outputs: Any, valid: np.ndarray) -> Any:
    """Keeps the rows of real examples.

    Args:
      outputs: An array [examples, ...], or a dict of such arrays.
      valid: bool [...] with as many entries as there are examples, in the same order.

    Returns:
      The same form with fewer rows; the order stays.

    Example:
      >>> drop_padding({"p": np.array([7, 8, 8])}, np.array([True, True, False]))["p"].tolist()
      [7, 8]
    """
    keep = np.ravel(valid)
    if isinstance(outputs, dict):
        return {key: value[keep] for key, value in outputs.items()}
    return outputs[keep]
