"""From the speeds of rounds to ratios, targets and a table."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence

Speeds = Mapping[str, Mapping[str, Sequence[float]]]  # cell -> contender -> steps/s by round


@dataclasses.dataclass(frozen=True)
class Ratio:
    """How much faster one contender is than another, over the rounds.

    Attributes:
      median: Of the ratios of the rounds.
      low: The smallest of them.
      high: The largest of them.
    """

    median: float
    low: float
    high: float

    def describe(self) -> str:
        """Returns e.g. `1.02 (0.99-1.10)`."""
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"


@dataclasses.dataclass(frozen=True)
class Target:
    """A ratio that must be reached.

    Attributes:
      cells: Where it holds: a cell, or the part before or after its slash.
      contender: Whose speed.
      base: Over whose.
      least: The ratio.
    """

    cells: str
    contender: str
    base: str
    least: float

    def holds_for(self, cell: str) -> bool:
        """Whether the target is one for `cell`."""
        return self.cells in ("*", cell, *cell.split("/"))


TARGETS = (
    Target("*", "tpu1", "jax", 0.95),
    Target("*", "host", "function", 0.95),
    Target("tabular/memory", "host", "old", 1.9),
    Target("cnn/memory", "host", "old", 1.15),
    Target("transformer/memory", "host", "old", 1.2),
    Target("tfrecord", "host", "old", 1.5),
    Target("gzip", "host", "old", 1.5),
)


def compute_ratio(speeds: Sequence[float], base: Sequence[float]) -> Ratio:
    """Compares two contenders round by round, so that slow moments of the machine cancel.

    Args:
      speeds: Of one contender, by round.
      base: Of the other, in the same rounds.

    Example:
      >>> compute_ratio([2.0, 3.0, 4.0], [1.0, 1.0, 2.0]).describe()
      '2.00 (2.00-3.00)'
    """
    ratios = [a / b for a, b in zip(speeds, base, strict=True)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def judge(speeds: Speeds) -> list[dict]:
    """Returns for each target and cell: what was reached, and whether that is enough."""
    judged = []
    for cell, by_contender in speeds.items():
        for target in TARGETS:
            missing = {target.contender, target.base} - set(by_contender)
            if missing or not target.holds_for(cell):
                continue
            ratio = compute_ratio(by_contender[target.contender], by_contender[target.base])
            judged.append(
                {
                    "cell": cell,
                    "what": f"{target.contender} / {target.base}",
                    "target": target.least,
                    **dataclasses.asdict(ratio),
                    "met": ratio.median >= target.least,
                }
            )
    return judged


def describe_speeds(speeds: Speeds) -> str:
    """Returns a Markdown table of median steps per second, with the spread in percent."""
    contenders = list(dict.fromkeys(c for by_contender in speeds.values() for c in by_contender))
    lines = ["| cell | " + " | ".join(contenders) + " |", "|---" * (len(contenders) + 1) + "|"]
    for cell, by_contender in speeds.items():
        found = [_describe_rounds(by_contender.get(c, ())) for c in contenders]
        lines.append(f"| {cell} | " + " | ".join(found) + " |")
    return "\n".join(lines)


def describe_targets(judged: Sequence[Mapping]) -> str:
    """Returns a Markdown table of what `judge` found."""
    lines = ["| cell | what | target | median (spread) | |", "|---|---|---|---|---|"]
    for row in judged:
        ratio = Ratio(row["median"], row["low"], row["high"])
        met = "met" if row["met"] else "NOT MET"
        target = ("at most " if row.get("at_most") else "") + f"{row['target']:.2f}"
        lines.append(f"| {row['cell']} | {row['what']} | {target} | {ratio.describe()} | {met} |")
    return "\n".join(lines)


def _describe_rounds(rounds: Sequence[float]) -> str:
    if not rounds:
        return ""
    median = statistics.median(rounds)
    spread = (max(rounds) - min(rounds)) / 2 / median
    return f"{median:,.0f} ±{spread:.0%}"
