"""What is compiled, and what came of it: the words between this process and the compiler's."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

from tfx_tpu_estimator.compile_check.report import Buffer, Collective, from_plain, to_plain
from tfx_tpu_estimator.execution.core_mesh import Partitions
from tfx_tpu_estimator.execution.embedded_program import EmbeddedProgram
from tfx_tpu_estimator.lowering.program import Program

# Part of what results are kept under: a change of how programs are compiled or read makes new ones.
_FORM = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompileJob:
    """One program for one topology.

    Attributes:
      program: What one replica runs; None only asks whether libtpu describes the topology.
      topology: As libtpu takes it.
      steps: Steps of the loop that is compiled.
      cores: How many of the topology's cores are used.
      cores_per_replica: How many share a replica.
      broadcast: Whether every replica gets the whole input.
      partitions: How the cores of a replica share each input.
    """

    program: Program | EmbeddedProgram | None
    topology: str
    steps: int
    cores: int
    cores_per_replica: int = 1
    broadcast: bool = False
    partitions: tuple[Partitions, ...] = ()

    def key(self, compiler: str) -> str:
        """Returns under which name the result of compiling it with `compiler` is kept."""
        settings = (
            _FORM, self.program and self.program.digest, self.topology, self.steps, self.cores,
            self.cores_per_replica, self.broadcast,
            [cut if cut is None else list(cut) for cut in self.partitions], compiler,
        )  # fmt: skip
        return hashlib.sha256(repr(settings).encode()).hexdigest()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the compiler said of one job; see `ProgramReport` for the figures.

    Attributes:
      status: `fits`, `too_large`, `failed`, `crashed` or `timed_out`.
      message: In words; of `failed` the compiler's own.
      limit_bytes: Of the memory of a core, what the compiler gives to programs; None if it did not
        say.
    """

    status: str
    message: str = ""
    argument_bytes: int | None = None
    output_bytes: int | None = None
    alias_bytes: int | None = None
    temp_bytes: int | None = None
    code_bytes: int | None = None
    peak_bytes: int | None = None
    limit_bytes: int | None = None
    flops: float | None = None
    bytes_accessed: float | None = None
    collectives: tuple[Collective, ...] = ()
    largest: tuple[Buffer, ...] = ()
    compile_seconds: float | None = None
    compiler_peak_rss_bytes: int | None = None

    def replace(self, **changes: Any) -> Outcome:
        """Returns a copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """Returns the outcome as a dict of plain types."""
        return to_plain(self)

    @classmethod
    def from_json(cls, data: Any) -> Outcome:
        """Reads what `to_json` returned.

        Raises:
          ValueError: It is no outcome.
        """
        return from_plain(cls, data)
