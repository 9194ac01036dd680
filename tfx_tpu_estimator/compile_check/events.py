"""What a compile check says while it works."""

from __future__ import annotations

import dataclasses
import enum

from tfx_tpu_estimator.compile_check.report import ProgramReport


class Stage(enum.Enum):
    """Where a compile check is."""

    LOWERING = "lowering"
    WAITING = "waiting"
    COMPILING = "compiling"
    DONE = "done"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Event:
    """One piece of news; `COMPILING` and `WAITING` come several times a second.

    Attributes:
      stage: `LOWERING` a program, `WAITING` for another process that compiles, `COMPILING`, or
        `DONE` with a program.
      program: `train`, `eval`, `predict` or `serving`.
      topology: Its name.
      per_core_batch: Examples of one core, where known.
      searching: Whether this is about a batch that the search for the largest one tries.
      index: Which program of how many this is, from 1.
      count: How many there are.
      seconds: Since the compiler started, or since waiting began.
      memory_bytes: The most memory that the compiler has had so far.
      holder: Of `WAITING`: which process compiles and since when, empty where not known.
      report: Of `DONE`: what came of it.
    """

    stage: Stage
    program: str
    topology: str
    per_core_batch: int | None = None
    searching: bool = False
    index: int = 0
    count: int = 0
    seconds: float = 0.0
    memory_bytes: int = 0
    holder: str = ""
    report: ProgramReport | None = None
