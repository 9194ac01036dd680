"""Metrics by slice as a table in a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .data import BASELINE, CANDIDATE, CHANGE, COUNT, Results, SliceResult
from .slices_table import format_number

# More fill the screen many times over; JSON and the page have them all.
_MOST_ROWS = 50


def print_results(results: Results, console: Console | None = None) -> None:
    """Prints slices as rows and metrics as columns, with the change against a baseline.

    Args:
        results: Metrics by slice.
        console: Where to; None for standard output.
    """
    console = console or Console()
    table = Table(box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("slice", overflow="fold")
    for name in results.metrics:
        table.add_column(name, justify="right", overflow="fold")
    for found in results.slices[:_MOST_ROWS]:
        cells = [_draw(found, name, results.failures) for name in results.metrics]
        table.add_row(found.name, *cells, style="bold" if found.is_overall else None)
    console.print(table)
    if results.has_baseline:
        console.print("In brackets: the change against the baseline.", style="dim")
    more = len(results.slices) - _MOST_ROWS
    if more > 0:
        console.print(f"{more:,} more slices; `--output json` has all.", style="dim")


def _draw(found: SliceResult, metric: str, failures: frozenset[tuple[str, str]]) -> Text:
    by_model = found.values.get(metric, {})
    value = by_model.get(CANDIDATE) or by_model.get(CHANGE)
    if value is None:
        return Text("")
    words = format_number(value.value)
    baseline = by_model.get(BASELINE)
    if baseline is not None and not metric.startswith(COUNT):
        words += f" ({value.value - baseline.value:+.4f})"
    failed = (found.name, metric) in failures
    return Text(f"{words} ✗" if failed else words, style="red" if failed else "")
