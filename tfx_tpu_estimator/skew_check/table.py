"""A skew report for a terminal, or as plain text where there is none."""

from __future__ import annotations

import io
from typing import TextIO

import rich.box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tfx_tpu_estimator.skew_check.report import OutputReport, SignatureReport, SkewReport
from tfx_tpu_estimator.skew_check.words import describe_difference, describe_example

# Wide enough that nothing is wrapped where the output goes to a file or another program.
_PLAIN_WIDTH = 200
_RIGHT = ("Values", "Beyond", "Largest abs.", "Largest rel.")


def print_report(report: SkewReport, file: TextIO | None = None) -> None:
    """Prints a report: a row for each output, the worst examples, the verdict.

    Args:
      report: What the check found.
      file: Where to print; None is the standard output.

    Example:
      print_report(report)
    """
    console = Console(file=file, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console = Console(file=file, highlight=False, width=_PLAIN_WIDTH, no_color=True)
    console.print(
        f"{escape(report.saved_model)}: {report.examples} examples, {report.batch_size} at a time, "
        f"programs run on {escape(report.device)}"
    )
    for line in _describe_programs(report):
        console.print(line, markup=False)
    console.print()
    if any(signature.outputs for signature in report.signatures):
        console.print(_make_table(report, console.is_terminal))
    for signature in report.signatures:
        _print_words(console, signature)
    style = "bold green" if report.passed else "bold red"
    head = "PASSED" if report.passed else "FAILED"
    text = report.verdict.removeprefix(f"{head}: ")
    console.print(f"[{style}]{head}[/{style}]: {escape(text)}")


def render_report(report: SkewReport) -> str:
    """Returns what `print_report` prints where there is no terminal."""
    text = io.StringIO()
    print_report(report, text)
    return text.getvalue()


def _describe_programs(report: SkewReport) -> list[str]:
    """Returns a line for each TPU computation, whatever number of shapes it was compiled for."""
    lines = []
    for name in dict.fromkeys(program.name for program in report.programs):
        same = [program for program in report.programs if program.name == name]
        first, seconds = same[0], sum(program.seconds for program in same)
        shapes = f"{len(same)} shapes" if len(same) > 1 else ", ".join(first.inputs) or "no inputs"
        lines.append(
            f"  TPU computation {name}: {sum(first.ops.values())} ops, {first.variables} "
            f"variables; compiled for {shapes} in {seconds:.1f} s"
        )
    return lines


def _make_table(report: SkewReport, framed: bool) -> Table:
    table = Table(box=rich.box.ROUNDED if framed else rich.box.SIMPLE)
    for name in ("Signature", "Output", "Type", *_RIGHT, "Tolerance", "Verdict"):
        table.add_column(name, justify="right" if name in _RIGHT else "left", no_wrap=not framed)
    for signature in report.signatures:
        for output in signature.outputs:
            style, verdict = ("green", "equal") if output.passed else ("red", "differs")
            if output.passed and output.max_absolute:
                verdict = "within"
            if signature.problems and not output.values:
                style, verdict = "yellow", "not run"
            table.add_row(
                escape(signature.name),
                escape(output.name),
                output.dtype,
                str(output.values),
                str(output.beyond),
                _format(output.max_absolute),
                _format(output.max_relative),
                str(output.tolerance),
                f"[{style}]{verdict}[/{style}]",
            )
    return table


def _print_words(console: Console, signature: SignatureReport) -> None:
    lines = [f"Note on {signature.name}: {note}" for note in signature.notes]
    for output in signature.outputs:
        lines += _describe_output(signature.name, output)
    for line in lines:
        console.print(line, markup=False)
    if lines:
        console.print()


def _describe_output(signature: str, output: OutputReport) -> list[str]:
    lines = []
    if output.nan_in_both:
        lines.append(f"{signature}/{output.name}: {output.nan_in_both} values are NaN in both.")
    if not output.beyond:
        return lines
    lines.append(f"{signature}/{output.name}: {describe_difference(output)} Worst examples:")
    for worst in output.worst:
        where = f" at {list(worst.position)}" if worst.position else ""
        size = f", {worst.absolute:.3g} apart" if worst.absolute is not None else ""
        lines.append(
            f"  {describe_example(worst)}{where}: {worst.serve!r} in {{serve}}, {worst.tpu!r} in "
            f"{{serve, tpu}}{size}"
        )
    return lines


def _format(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
