"""Compiles one program, unless that was done before, and says what came of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from tfx_tpu_estimator.compile_check.cache import OutcomeCache
from tfx_tpu_estimator.compile_check.chips import KNOWN, usable_bytes
from tfx_tpu_estimator.compile_check.compiler import describe_compiler
from tfx_tpu_estimator.compile_check.events import Event, Stage
from tfx_tpu_estimator.compile_check.jobs import CompileJob, Outcome
from tfx_tpu_estimator.compile_check.lock import compiling
from tfx_tpu_estimator.compile_check.lowering import Lowered
from tfx_tpu_estimator.compile_check.options import CheckOptions
from tfx_tpu_estimator.compile_check.process import compile_in_child
from tfx_tpu_estimator.compile_check.report import (
    CRASHED,
    FAILED,
    FITS,
    TIMED_OUT,
    TOO_LARGE,
    ProgramReport,
    Topology,
)

# What a compiler says of equal programs is equal; what happens to its process is not.
_LASTING = (FITS, TOO_LARGE, FAILED)
_LONGEST_MESSAGE = 2000
# For libtpu to describe a topology, which takes seconds.
_ASKING_SECS = 120.0


class ProgramCompiler:
    """Compiles programs one at a time, and remembers on disk what came of them.

    Args:
      options: Time limit and cache.
      on_event: Called with news.

    Raises:
      CompilerMissingError: There is no libtpu.
    """

    def __init__(self, options: CheckOptions, on_event: Callable[[Event], None]):
        self.compiler = describe_compiler()
        self._options = options
        self._cache = OutcomeCache(options.cache_dir)
        self._on_event = on_event

    def compile(self, lowered: Lowered, topology: Topology, event: Event) -> ProgramReport:
        """Compiles a program; blocks.

        Args:
          lowered: The program.
          topology: For which TPUs.
          event: Says which program this is; news are copies of it.
        """
        outcome, cached = self._find(lowered.job, event)
        return describe_outcome(
            outcome,
            program=event.program,
            topology=topology,
            per_core_batch=lowered.per_core_batch,
            program_hash=lowered.job.program.digest if lowered.job.program else "",
            compiler=self.compiler,
            cached=cached,
        )

    def refuse_topology(self, topology: Topology) -> str | None:
        """Returns why libtpu cannot compile for a topology; None if it can, or does not say.

        Asks in another process, once for each topology and libtpu, what is not known to work.
        """
        if topology.name in KNOWN:
            return None
        job = CompileJob(program=None, topology=topology.name, steps=1, cores=topology.cores)
        key = job.key(self.compiler)
        outcome = self._cache.read(key) if self._options.use_cache else None
        if outcome is None:
            outcome = compile_in_child(
                job, timeout_secs=_ASKING_SECS, on_tick=lambda seconds, memory: None
            )
            if outcome.status in _LASTING:
                self._cache.write(key, outcome)
        return outcome.message if outcome.status == FAILED else None

    def _find(self, job: CompileJob, event: Event) -> tuple[Outcome, bool]:
        key = job.key(self.compiler)
        found = self._cache.read(key) if self._options.use_cache else None
        if found is not None:
            return found, True
        waiting = dataclasses.replace(event, stage=Stage.WAITING)
        with compiling(
            lambda seconds, holder: self._on_event(
                dataclasses.replace(waiting, seconds=seconds, holder=holder)
            )
        ):
            # Another process may have compiled it while this one waited.
            found = self._cache.read(key) if self._options.use_cache else None
            if found is not None:
                return found, True
            self._on_event(dataclasses.replace(event, stage=Stage.COMPILING))
            outcome = compile_in_child(
                job,
                timeout_secs=self._options.timeout_secs,
                on_tick=lambda seconds, memory: self._on_event(
                    dataclasses.replace(
                        event, stage=Stage.COMPILING, seconds=seconds, memory_bytes=memory
                    )
                ),
            )
        if outcome.status in _LASTING:
            self._cache.write(key, outcome)
        return outcome, False


def describe_outcome(
    outcome: Outcome,
    *,
    program: str,
    topology: Topology,
    per_core_batch: int | None,
    program_hash: str,
    compiler: str,
    cached: bool,
) -> ProgramReport:
    """Joins what the compiler said with what the chip can do."""
    chip = topology.chip
    # Of a single tensor the compiler names the whole memory, more than programs can have.
    limit = min(outcome.limit_bytes or usable_bytes(chip), usable_bytes(chip))
    status = outcome.status
    # The compiler itself does not always count the arguments.
    if status == FITS and outcome.peak_bytes is not None and outcome.peak_bytes > limit:
        status = TOO_LARGE
    seconds, bound = _bound_by_roofline(outcome, topology)
    intensity = None
    if outcome.flops is not None and outcome.bytes_accessed:
        intensity = outcome.flops / outcome.bytes_accessed
    shared = {f.name for f in dataclasses.fields(ProgramReport)} & {
        f.name for f in dataclasses.fields(Outcome)
    }
    figures = {name: getattr(outcome, name) for name in shared - {"status", "message"}}
    return ProgramReport(
        program=program,
        topology=topology,
        status=status,
        message=_explain(status, outcome, limit, program, per_core_batch),
        per_core_batch=per_core_batch,
        hbm_bytes=limit,
        arithmetic_intensity=intensity,
        roofline_seconds=seconds,
        bound=bound,
        program_hash=program_hash,
        compiler=compiler,
        cached=cached,
        **figures,
    )


def _bound_by_roofline(outcome: Outcome, topology: Topology) -> tuple[float | None, str | None]:
    if outcome.flops is None or outcome.bytes_accessed is None:
        return None, None
    compute = outcome.flops / topology.chip.peak_flops
    memory = outcome.bytes_accessed / topology.chip.hbm_bytes_per_second
    return max(compute, memory), "compute" if compute >= memory else "memory"


def _explain(status: str, outcome: Outcome, limit: int, program: str, batch: int | None) -> str:
    if status in (CRASHED, TIMED_OUT, FAILED):
        return outcome.message[:_LONGEST_MESSAGE]
    if status != TOO_LARGE:
        return ""
    peak = outcome.peak_bytes or 0
    what = f"The {program} program"
    if batch is not None:
        what += f" with {batch} examples per core"
    text = (
        f"{what} needs {_gib(peak)} of a core's memory, of which programs can have {_gib(limit)}."
    )
    if outcome.message:
        text += f" {outcome.message}"
    if outcome.largest:
        largest = outcome.largest[0]
        shape = ",".join(map(str, largest.shape))
        text += f" The largest tensor is {largest.dtype}[{shape}], {_gib(largest.bytes)}"
        text += f" ({largest.name or largest.op})."
    state = outcome.argument_bytes or 0
    if state > limit:
        return f"{text} Variables and input alone are too large: use several cores per replica."
    return (
        f"{text} Use a smaller batch, more cores, bfloat16, or tf.recompute_grad; "
        "the search for the largest batch says which one fits."
    )


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB" if size >= 2**27 else f"{size / 2**20:.2f} MiB"
