"""A compile report as tables for a terminal, or as plain text where there is none."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import TextIO

import rich.box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tfx_tpu_estimator.compile_check import report as reports
from tfx_tpu_estimator.compile_check import words
from tfx_tpu_estimator.compile_check.figures import (
    NOTHING,
    format_digits,
    format_mib,
    format_percent,
    format_scaled,
    format_seconds,
    format_shape,
)
from tfx_tpu_estimator.compile_check.report import CompileReport, ProgramReport

# Wide enough that nothing is wrapped where the output goes to a file or another program.
_PLAIN_WIDTH = 200
# In a terminal narrower than this the lines are broken by the terminal, and no column is left out.
_LEAST_WIDTH = 80
_STYLES = {reports.FITS: "green", reports.CRASHED: "yellow", reports.TIMED_OUT: "yellow"}
_TONES = {"good": "bold green", "bad": "bold red", "warn": "bold yellow"}
_LEFT = ("Program", "Result", "Bound by", "Collective", "Type", "Of the model", "Of the compiler")
_FOLDED = ("Of the model", "Of the compiler")


def print_report(report: CompileReport, file: TextIO | None = None, details: bool = False) -> None:
    """Prints a report: tables with a row for each program, what is wrong, the verdict.

    Args:
        report: What the compile check found.
        file: Where to print; None is the standard output. Without a terminal there are no colours,
            frames or wrapped lines.
        details: Also print the largest tensors of every program, not only where they do not fit.

    Example:
        print_report(report)
    """
    console = _make_console(file)
    for topology, programs in words.group_by_topology(report):
        for table in _make_tables(topology.name, programs, console.is_terminal, details):
            console.print(table)
            if not console.is_terminal:  # there the frame ends with an empty line
                console.print()
    for note in report.notes:
        _print_words(console, Text(f"Note: {note}"))
    _print_verdict(console, report)


def render_table(report: CompileReport, details: bool = False) -> str:
    """Returns what `print_report` prints where there is no terminal.

    Args:
        report: What the compile check found.
        details: Also show the largest tensors of each program.

    Example:
        render_table(report).splitlines()[-1]
    """
    file = io.StringIO()
    print_report(report, file, details)
    return file.getvalue()


def _make_console(file: TextIO | None) -> Console:
    console = Console(file=file, highlight=False)
    if not console.is_terminal:
        return Console(file=file, highlight=False, width=_PLAIN_WIDTH, no_color=True)
    return Console(file=file, highlight=False, width=max(console.width, _LEAST_WIDTH))


def _make_tables(
    topology: str, programs: Sequence[ProgramReport], framed: bool, details: bool
) -> Iterator[Table]:
    yield _make_memory_table(topology, programs, framed)
    if any(program.compile_seconds is not None for program in programs):
        yield _make_work_table(topology, programs, framed)
    if any(program.collectives for program in programs):
        yield _make_collective_table(topology, programs, framed)
    for program in programs:
        if program.largest and (details or program.status == reports.TOO_LARGE):
            yield _make_tensor_table(program, framed, details)


def _make_memory_table(topology: str, programs: Sequence[ProgramReport], framed: bool) -> Table:
    columns = ("Program", "Batch", "Result", "Peak", "of HBM", "Args", "Temps", "Outputs", "Code")
    table = _make_table(f"{topology}: memory of a core, in MiB", columns, framed)
    for p in programs:
        status = words.SHORT_STATUS_WORDS.get(p.status, p.status)
        own = None if p.output_bytes is None else p.output_bytes - (p.alias_bytes or 0)
        table.add_row(
            escape(p.program),
            NOTHING if p.per_core_batch is None else f"{p.per_core_batch:,}",
            Text(status, style=_STYLES.get(p.status, "red")),
            format_mib(p.peak_bytes),
            format_percent(p.peak_bytes, p.hbm_bytes),
            format_mib(p.argument_bytes),
            format_mib(p.temp_bytes),
            format_mib(own),
            format_mib(p.code_bytes),
        )
    return table


def _make_work_table(topology: str, programs: Sequence[ProgramReport], framed: bool) -> Table:
    columns = ("Program", "FLOP", "Bytes", "FLOP/B", "Step >=", "Bound by", "Max batch",
               "Compiled in")  # fmt: skip
    title = f"{topology}: work of a core in a step; bounds, not measurements"
    table = _make_table(title, columns, framed)
    for p in programs:
        table.add_row(
            escape(p.program),
            format_scaled(p.flops, "").strip(),
            format_scaled(p.bytes_accessed, "").strip(),
            format_digits(p.arithmetic_intensity),
            format_seconds(p.roofline_seconds),
            p.bound or NOTHING,
            words.describe_largest_batch(p) or NOTHING,
            "cached" if p.cached else format_seconds(p.compile_seconds),
        )
    return table


def _make_collective_table(topology: str, programs: Sequence[ProgramReport], framed: bool) -> Table:
    title = f"{topology}: collectives in a step"
    table = _make_table(title, ("Program", "Collective", "Count", "MiB"), framed)
    for p in programs:
        for found in p.collectives:
            cells = (escape(p.program), escape(found.kind), f"{found.count:,}")
            table.add_row(*cells, format_mib(found.bytes))
    return table


def _make_tensor_table(program: ProgramReport, framed: bool, details: bool) -> Table:
    title = f"{program.topology.name}: largest tensors of {program.program}"
    table = _make_table(title, ("MiB", "Type", "Of the model", "Of the compiler"), framed)
    for buffer in program.largest if details else program.largest[:3]:
        kind, name = format_shape(buffer.dtype, buffer.shape), escape(buffer.name) or NOTHING
        table.add_row(format_mib(buffer.bytes), escape(kind), name, escape(buffer.op))
    return table


def _make_table(title: str, columns: Sequence[str], framed: bool) -> Table:
    table = Table(
        title=Text(title),
        title_justify="left",
        title_style="bold",
        box=rich.box.SIMPLE_HEAD if framed else None,
        pad_edge=False,
        padding=(0, 1, 0, 0) if framed else (0, 2, 0, 0),
    )
    for column in columns:
        justify = "left" if column in _LEFT else "right"
        # In a narrow terminal long names give way, figures do not.
        table.add_column(column, justify=justify, overflow="fold", no_wrap=column not in _FOLDED)
    return table


def _print_verdict(console: Console, report: CompileReport) -> None:
    verdict = words.describe_report(report)
    for who, text in words.list_problems(verdict):
        _print_words(console, Text(f"{who}: ", style="bold").append(text, style="not bold"))
    title = Text(f"{verdict.title} ", style=_TONES[verdict.tone])
    _print_words(console, title.append(words.describe_evidence(report), style="not bold default"))


def _print_words(console: Console, text: Text) -> None:
    """Prints sentences, wrapped by words in a terminal and as they are elsewhere."""
    console.print(text, soft_wrap=not console.is_terminal)
