"""What was found out about one thing."""

from __future__ import annotations

import dataclasses
import enum


class Level(enum.Enum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"  # something optional is not there
    ATTENTION = "attention"  # works, with a cost or a risk
    PROBLEM = "problem"  # something will fail


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found out about one thing.

    Attributes:
        subject: What was looked at, such as "Python".
        level: How much it matters.
        found: What there is, in words.
        way_out: What to do; empty if nothing needs to be done.
    """

    subject: str
    level: Level
    found: str
    way_out: str = ""

    def to_dict(self) -> dict[str, str]:
        """Returns the finding as plain types."""
        return {**dataclasses.asdict(self), "level": self.level.value}
