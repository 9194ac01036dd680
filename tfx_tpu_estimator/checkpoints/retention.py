"""Which checkpoints are kept when a new one has been written."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tfx_tpu_estimator.checkpoints.state_file import KeptCheckpoint


@dataclasses.dataclass(frozen=True, kw_only=True)
class Retention:
    """How many checkpoints to keep.

    Attributes:
      max_to_keep: Keep this many of the newest; None or 0: all.
      keep_every_n_hours: Of those that would go, keep one for good every so many hours.
    """

    max_to_keep: int | None = 5
    keep_every_n_hours: float = 10_000.0

    def __post_init__(self) -> None:
        if self.max_to_keep is not None and self.max_to_keep < 0:
            raise ValueError(f"`max_to_keep` must be >= 0 or None, got {self.max_to_keep}.")
        if self.keep_every_n_hours <= 0:
            raise ValueError(f"`keep_every_n_hours` must be > 0, got {self.keep_every_n_hours}.")

    def select(self, kept: Sequence[KeptCheckpoint], last_preserved: float) -> Selection:
        """Decides what goes.

        Args:
          kept: All that count, oldest first.
          last_preserved: When the checkpoint was written that was last kept for good, in seconds
            since 1970; at first, when training began.
        """
        too_many = max(0, len(kept) - self.max_to_keep) if self.max_to_keep else 0
        deleted = []
        for checkpoint in kept[:too_many]:
            if checkpoint.timestamp >= last_preserved + 3600 * self.keep_every_n_hours:
                last_preserved = checkpoint.timestamp
            else:
                deleted.append(checkpoint.prefix)
        return Selection(tuple(kept[too_many:]), tuple(deleted), last_preserved)


@dataclasses.dataclass(frozen=True)
class Selection:
    """What `Retention` decided.

    Attributes:
      kept: The checkpoints that go on counting, oldest first.
      deleted: Prefixes of those to delete. Those in neither are kept for good.
      last_preserved: As given, or the time of the newest that is now kept for good.
    """

    kept: tuple[KeptCheckpoint, ...]
    deleted: tuple[str, ...]
    last_preserved: float
