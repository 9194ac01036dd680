"""Sums by group and position, of which most are never touched."""

from __future__ import annotations

import numpy as np

# Up to this many positions a group's sums lie in a table; beyond, only those that are not zero.
_DENSE_WIDTH = 64
# Entries that wait before they are added up.
_BUFFERED = 1 << 20


class GroupSums:
    """Adds values up by group (a slice, or a sample of one) and position (for example a bucket).

    Args:
        width: Positions of each group.
        values: Numbers that are added up side by side for each position.

    Example:
        >>> sums = GroupSums(width=2, values=1)
        >>> sums.add(np.array([0, 0]), np.array([1, 1]), np.array([[2.0], [3.0]]))
        >>> positions, totals = sums.read([0])
        >>> positions, totals.ravel()
        (array([0, 1]), array([0., 5.]))
    """

    def __init__(self, width: int, values: int):
        self._width = width
        self._store = _Table(width, values) if width <= _DENSE_WIDTH else _Sorted(width, values)

    def add(self, groups: np.ndarray, positions: np.ndarray, values: np.ndarray) -> None:
        """Adds entries.

        Args:
            groups: [n] int64 >= 0.
            positions: [n] int64 in [0, width).
            values: [n, values] float64.
        """
        self._store.add(groups * self._width + positions, values)

    def read(self, groups: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Returns the sums over some groups together.

        Args:
            groups: The groups.

        Returns:
            ([m] positions in order, [m, values] sums); a table's positions are all there.
        """
        return self._store.read(groups)

    def merge(self, other: GroupSums, groups: np.ndarray) -> None:
        """Adds the sums of another of the same width.

        Args:
            other: The sums; what waits there to be added up is added up first, so that the order
                of all additions depends only on what was added to each.
            groups: [m] the group here of each group there.
        """
        keys, values = other._store.list_entries()
        here = groups[keys // self._width] * self._width + keys % self._width
        self._store.add(here, values)


class _Table:
    def __init__(self, width: int, values: int):
        self._width = width
        self._sums = np.zeros([values, 0])

    def add(self, keys: np.ndarray, values: np.ndarray) -> None:
        if not keys.size:
            return
        size = self._sums.shape[1]
        needed = (int(keys.max()) // self._width + 1) * self._width
        if needed > size:
            more = np.zeros([self._sums.shape[0], max(needed, 2 * size) - size])
            self._sums = np.concatenate([self._sums, more], axis=1)
        for row, column in enumerate(values.T):
            added = np.bincount(keys, weights=column)
            self._sums[row, : added.size] += added

    def read(self, groups: list[int]) -> tuple[np.ndarray, np.ndarray]:
        total = np.zeros([self._width, self._sums.shape[0]])
        for group in groups:
            # A group that no entry was for may lie beyond the end.
            found = self._sums[:, group * self._width : (group + 1) * self._width].T
            total[: found.shape[0]] += found
        return np.arange(self._width), total

    def list_entries(self) -> tuple[np.ndarray, np.ndarray]:
        keys = np.flatnonzero(self._sums.any(axis=0))
        return keys, self._sums[:, keys].T


class _Sorted:
    def __init__(self, width: int, values: int):
        self._width = width
        self._keys = np.zeros([0], np.int64)
        self._sums = np.zeros([0, values])
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []
        self._waiting_size = 0

    def add(self, keys: np.ndarray, values: np.ndarray) -> None:
        self._waiting.append((keys, values))
        self._waiting_size += keys.size
        if self._waiting_size > max(_BUFFERED, self._keys.size):
            self._merge()

    def read(self, groups: list[int]) -> tuple[np.ndarray, np.ndarray]:
        self._merge()
        parts = []
        for group in groups:
            bounds = np.array([group, group + 1]) * self._width
            start, end = np.searchsorted(self._keys, bounds)
            parts.append((self._keys[start:end] - bounds[0], self._sums[start:end]))
        if len(parts) == 1:
            return parts[0]
        return _add_up([keys for keys, _ in parts], [sums for _, sums in parts])

    def list_entries(self) -> tuple[np.ndarray, np.ndarray]:
        self._merge()
        return self._keys, self._sums

    def _merge(self) -> None:
        if self._waiting:
            keys = [self._keys, *(keys for keys, _ in self._waiting)]
            sums = [self._sums, *(values for _, values in self._waiting)]
            self._keys, self._sums = _add_up(keys, sums)
            self._waiting, self._waiting_size = [], 0


def _add_up(keys: list[np.ndarray], values: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Returns each key once, in order, with the sum of its values."""
    unique, inverse = np.unique(np.concatenate(keys), return_inverse=True)
    columns = np.concatenate(values).T
    sums = [np.bincount(inverse, weights=column, minlength=unique.size) for column in columns]
    return unique, np.stack(sums, axis=1)
