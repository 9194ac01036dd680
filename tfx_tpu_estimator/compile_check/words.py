"""What a compile report says, in sentences that the table and the page share."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tfx_tpu_estimator.compile_check import report as reports
from tfx_tpu_estimator.compile_check.figures import (
    format_bytes,
    format_percent,
    format_seconds,
    format_words,
)
from tfx_tpu_estimator.compile_check.report import CompileReport, ProgramReport, Topology
from tfx_tpu_estimator.compile_check.search import LARGEST_TRIED
from tfx_tpu_estimator.html_page import Tone

# What came out for a program, in a few words, and for a narrow column.
STATUS_WORDS = {
    reports.FITS: "fits",
    reports.TOO_LARGE: "too large",
    reports.REFUSED: "cannot run",
    reports.CRASHED: "compiler crashed",
    reports.TIMED_OUT: "time limit",
    reports.FAILED: "compiler refused it",
}
SHORT_STATUS_WORDS = {
    **STATUS_WORDS,
    reports.CRASHED: "crashed",
    reports.FAILED: "refused",
}
_UNDECIDED = (reports.CRASHED, reports.TIMED_OUT)

_COMPILED_NOT_RUN = "Compiled by the TPU compiler, not run on a TPU."
_NOT_COMPILED = "This was found before compiling; no TPU was used."
_NOT_FINISHED = "The TPU compiler was started and did not finish; no TPU was used."
_PARTLY = "Compiled by the TPU compiler as far as it finished, not run on a TPU."
# What a reader could take from the figures, and must not.
LIMITS = (
    "No TPU was used: the TPU compiler compiled for a description of the topology. That a program "
    "fits is what the compiler says of its memory.",
    "The step times are lower bounds from the chip's peak figures and the compiler's counts of "
    "operations and bytes. They are not measurements; a real step takes longer.",
    "Reading input, sending it to the devices, time between hosts, checkpoints and summaries are "
    "not in them.",
    "Memory is that of one program at a time, on one core. Batches waiting on the device and the "
    "state of another program that stays loaded come on top.",
    "Whether the numbers that a model computes are right is not looked at.",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a report says as a whole.

    Attributes:
        tone: `good`, `bad`, or `warn` where nothing is against the model but not all is known.
        title: In one sentence.
        problems: What is wrong with each program that is not in order.
    """

    tone: Tone
    title: str
    problems: tuple[tuple[ProgramReport, str], ...]


def describe_report(report: CompileReport) -> Verdict:
    """Returns the verdict over all programs.

    Args:
        report: Any report, an empty one too.
    """
    wrong = [program for program in report.programs if not program.ok]
    if not report.programs:
        return Verdict(tone="warn", title="No program was compiled.", problems=())
    if not wrong:
        return Verdict(tone="good", title=_title_of_success(report), problems=())
    undecided = all(program.status in _UNDECIDED for program in wrong)
    return Verdict(
        tone="warn" if undecided else "bad",
        title=_title_of_problems(report, wrong, undecided),
        problems=tuple((program, describe_problem(program)) for program in wrong),
    )


def list_problems(verdict: Verdict) -> list[tuple[str, str]]:
    """Returns who has a problem, and which; what several programs share is told once.

    Args:
        verdict: That of any report.

    Example:
        list_problems(verdict)[0]  # ("train and eval on v5e:2x2", "Op `AsString` of ...")
    """
    shared: dict[tuple[str, str], list[str]] = {}
    for program, text in verdict.problems:
        shared.setdefault((program.topology.name, text.strip()), []).append(program.program)
    return [(f"{format_words(who)} on {where}", text) for (where, text), who in shared.items()]


def describe_evidence(report: CompileReport) -> str:
    """Returns what the verdict rests on."""
    reached = [program for program in report.programs if program.compile_seconds is not None]
    finished = [program for program in reached if program.status not in _UNDECIDED]
    if not reached:
        return _NOT_COMPILED
    if not finished:
        return _NOT_FINISHED
    return _COMPILED_NOT_RUN if len(finished) == len(reached) else _PARTLY


def _title_of_success(report: CompileReport) -> str:
    names = format_words(list_topologies(report.programs))
    if len(report.programs) == 1:
        return f"The program compiles for {names} and fits."
    return f"All {len(report.programs)} programs compile for {names} and fit."


def _title_of_problems(
    report: CompileReport, wrong: Sequence[ProgramReport], undecided: bool
) -> str:
    total = len(report.programs)
    where = list_topologies(wrong)
    passed = [name for name in list_topologies(report.programs) if name not in where]
    who = f"{len(wrong)} of {total} programs" if total > 1 else "the program"
    end = f"; all pass on {format_words(passed)}." if passed else "."
    if undecided:
        title = f"the compiler did not finish with {who} for {format_words(where)}"
    else:
        verb = "do" if len(wrong) > 1 else "does"
        title = f"{who} {verb} not pass on {format_words(where)}"
    return f"{title[0].upper()}{title[1:]}{end}"


def describe_problem(program: ProgramReport) -> str:
    """Returns what is wrong with a program: its message, or what its status means."""
    return program.message or f"{STATUS_WORDS.get(program.status, program.status)}."


def describe_memory(program: ProgramReport) -> str:
    """Returns what a program takes of the memory of a core, such as "1.87 GiB of 15.75 GiB"."""
    peak = format_bytes(program.peak_bytes)
    if program.peak_bytes is None or program.hbm_bytes is None:
        return peak
    share = format_percent(program.peak_bytes, program.hbm_bytes)
    return f"{peak} of {format_bytes(program.hbm_bytes)} per core ({share})"


def describe_compile(program: ProgramReport) -> str:
    """Returns how long the compiler took and what it needed."""
    words = format_seconds(program.compile_seconds)
    if program.compiler_peak_rss_bytes:
        words += f", {format_bytes(program.compiler_peak_rss_bytes)} of memory"
    return f"{words}; from the cache" if program.cached else words


def describe_rate(program: ProgramReport) -> str | None:
    """Returns the most examples per second that the bound allows, or None if it is not known."""
    if not program.roofline_seconds or program.per_core_batch is None:
        return None
    rate = program.per_core_batch / program.roofline_seconds
    return f"at most {rate:,.0f} examples/s per core"


def describe_largest_batch(program: ProgramReport) -> str | None:
    """Returns the result of the search for the largest batch, or None if there was none."""
    if program.largest_batch is None:
        return None
    if not program.largest_batch:
        return "none fits"
    more = " or more" if program.largest_batch >= LARGEST_TRIED else ""
    return f"{program.largest_batch:,}{more}"


def list_topologies(programs: Sequence[ProgramReport]) -> list[str]:
    """Returns the names of the programs' topologies, each once, in their order."""
    return list(dict.fromkeys(program.topology.name for program in programs))


def group_by_topology(report: CompileReport) -> list[tuple[Topology, list[ProgramReport]]]:
    """Returns the programs of each topology, in the report's order."""
    groups: dict[str, list[ProgramReport]] = {}
    for program in report.programs:
        groups.setdefault(program.topology.name, []).append(program)
    return [(programs[0].topology, programs) for programs in groups.values()]
