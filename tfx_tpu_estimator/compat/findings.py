"""What a reader of a program is told about it."""

from __future__ import annotations

import dataclasses
import enum


class Level(enum.Enum):
    """How much a finding matters.

    Attributes:
        SUPPLIED: It works: this package supplies it.
        ATTENTION: It works, or may work, but not in every case or not as before.
        UNSUPPORTED: It fails, or is refused.
    """

    SUPPLIED = "supplied"
    ATTENTION = "attention"
    UNSUPPORTED = "unsupported"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was found at one place.

    Attributes:
        path: File.
        line: Line, counted from 1.
        level: How much it matters.
        what: The name or the construct.
        advice: What it means and what to do.
    """

    path: str
    line: int
    level: Level
    what: str
    advice: str

    def to_dict(self) -> dict[str, str | int]:
        """Returns what JSON can say."""
        return {**dataclasses.asdict(self), "level": self.level.value}
