"""Which core has which rows of an embedding table, and how they lie in its memory."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from tfx_tpu_estimator.execution.host_arrays import make_aligned


@dataclasses.dataclass(frozen=True)
class RowLayout:
    """The rows of a table, or of one of its slots, divided over shards of equal size.

    The last shards may end with rows that no id refers to.

    Args:
      rows: How many there are.
      shards: Over how many cores they are divided.
      partition: `div`: each shard has consecutive rows. `mod`: row i is on shard i % shards.

    Example:
      >>> RowLayout(5, 2, "mod").rows_of_shard(1)
      slice(1, None, 2)
    """

    rows: int
    shards: int
    partition: str

    @property
    def shard_rows(self) -> int:
        """Rows of one shard, the unused ones included."""
        return -(-self.rows // self.shards)

    @property
    def padded_rows(self) -> int:
        """Rows of all shards."""
        return self.shard_rows * self.shards

    def rows_of_shard(self, shard: int) -> slice:
        """Returns which rows of the whole table a shard has, in its order."""
        if self.partition == "mod":
            return slice(shard, None, self.shards)
        start = min(shard * self.shard_rows, self.rows)
        return slice(start, min(start + self.shard_rows, self.rows))

    def locate(self, ids: Any, shard: Any) -> tuple[Any, Any]:
        """Says where rows are, as seen from a shard; for numpy and jax arrays.

        Args:
          ids: Row numbers; negative ones stand for none.
          shard: The shard that asks.

        Returns:
          The rows' places in that shard, and whether they are there at all.
        """
        if self.partition == "mod":
            owner, place = ids % self.shards, ids // self.shards
        else:
            owner, place = ids // self.shard_rows, ids % self.shard_rows
        return place, (owner == shard) & (ids >= 0) & (ids < self.rows)

    def cut(self, whole: np.ndarray, shard: int) -> np.ndarray:
        """Returns a copy of a shard's rows, [shard_rows, ...]; unused ones are 0."""
        part = np.zeros((self.shard_rows, *whole.shape[1:]), whole.dtype)
        rows = whole[self.rows_of_shard(shard)]
        part[: len(rows)] = rows
        return part

    def join(self, parts: Any, dtype: Any) -> np.ndarray:
        """Puts shards together again.

        Args:
          parts: Pairs (number of the shard, array [shard_rows, ...]), each shard once; one at a
            time is held.
          dtype: Their dtype.

        Returns:
          A new array [rows, ...].
        """
        whole = None
        for shard, part in parts:
            if whole is None:
                whole = make_aligned((self.rows, *part.shape[1:]), dtype)
            target = whole[self.rows_of_shard(shard)]
            target[...] = part[: len(target)]
        assert whole is not None, "a table has at least one shard"
        return whole
