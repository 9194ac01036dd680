"""Whether the machine is quiet enough to measure on."""

from __future__ import annotations

import dataclasses
import os
import time

# Shares of all CPUs' time, and of their number.
_MOST_BUSY = 0.10
_MOST_LOAD = 0.5


@dataclasses.dataclass(frozen=True)
class Load:
    """How busy a machine is.

    Attributes:
      cpus: Their number.
      load_average: Of the last minute.
      busy: Share of the CPUs' time that was used in the last second or so, 0 to 1.
    """

    cpus: int
    load_average: float
    busy: float

    @property
    def is_quiet(self) -> bool:
        """Whether measurements mean something."""
        return self.busy <= _MOST_BUSY and self.load_average <= _MOST_LOAD * self.cpus

    def describe(self) -> str:
        """Returns it in words."""
        return (
            f"{self.cpus} CPUs, {self.busy:.0%} of their time used by others, load average "
            f"{self.load_average:.2f}"
        )


def measure_load(seconds: float = 1.0) -> Load:
    """Watches the machine for a while, during which this process must do nothing.

    Args:
      seconds: How long.
    """
    idle, total = _read_times()
    time.sleep(seconds)
    idle_after, total_after = _read_times()
    busy = 1 - (idle_after - idle) / max(total_after - total, 1)
    return Load(os.cpu_count() or 1, os.getloadavg()[0], max(0.0, busy))


def _read_times() -> tuple[int, int]:
    """Returns the ticks that the CPUs were idle, and all."""
    with open("/proc/stat", encoding="ascii") as stream:
        ticks = [int(field) for field in stream.readline().split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)
