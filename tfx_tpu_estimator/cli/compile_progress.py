"""What `tfx-tpu-estimator compile` says on the standard error while it works."""

from __future__ import annotations

import types
from typing import Any

from rich.console import Console
from rich.text import Text

from tfx_tpu_estimator.compile_check import words
from tfx_tpu_estimator.compile_check.events import Event, Stage
from tfx_tpu_estimator.compile_check.figures import format_bytes, format_seconds
from tfx_tpu_estimator.compile_check.report import ProgramReport

# Without a terminal: so many seconds between two signs of life of one compile.
_PLAIN_INTERVAL_SECS = 30.0
_PLAIN_WIDTH = 200


class CompileProgress:
    """Shows the events of a compile check: one live line in a terminal, else a line per change.

    Args:
        quiet: Show nothing.
        console: Where; None is the standard error.

    Example:
        with CompileProgress() as progress:
            compile_check(..., progress=progress)
    """

    def __init__(self, quiet: bool = False, console: Console | None = None):
        self._quiet = quiet
        self._console = console or _make_console()
        self._status = self._console.status("") if self._console.is_terminal else None
        self._last: tuple[Any, ...] = ()
        self._told_seconds = 0.0

    def __enter__(self) -> CompileProgress:
        if self._status is not None and not self._quiet:
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def say(self, text: str) -> None:
        """Shows what is being done before the first event."""
        if self._quiet:
            return
        if self._status is not None:
            self._status.update(Text(text))
        else:
            self._console.print(Text(text))

    def __call__(self, event: Event) -> None:
        """Shows an event of the compile check."""
        if self._quiet:
            return
        if event.report is not None:
            self._tell_result(event, event.report)
        elif self._status is not None:
            self._status.update(Text(f"{_head(event)}: {_describe(event)}"))
        else:
            self._tell_change(event)

    def _tell_result(self, event: Event, report: ProgramReport) -> None:
        line = Text(f"{_head(event)}: ")
        style = "green" if report.ok else "red"
        line.append(words.STATUS_WORDS.get(report.status, report.status), style=style)
        if report.peak_bytes is not None:
            line.append(f", {words.describe_memory(report)}")
        if report.compile_seconds is not None:
            line.append(f", compiled in {words.describe_compile(report)}")
        self._console.print(line)
        self._last = ()

    def _tell_change(self, event: Event) -> None:
        change = (event.stage, event.program, event.topology, event.per_core_batch)
        if change != self._last:
            self._last, self._told_seconds = change, 0.0
        elif event.seconds - self._told_seconds < _PLAIN_INTERVAL_SECS:
            return
        self._told_seconds = event.seconds
        self._console.print(Text(f"{_head(event)}: {_describe(event)}"))


def _make_console() -> Console:
    console = Console(stderr=True, highlight=False)
    return (
        console
        if console.is_terminal
        else Console(stderr=True, highlight=False, width=_PLAIN_WIDTH)
    )


def _head(event: Event) -> str:
    return f"[{event.index}/{event.count}] {event.program} on {event.topology}"


def _describe(event: Event) -> str:
    if event.stage is Stage.WAITING:
        said = f"waiting for {event.holder or 'another process that compiles'}"
        return f"{said}; {format_seconds(int(event.seconds))}" if event.seconds >= 1 else said
    batch = f"batch {event.per_core_batch} per core"
    said = "lowering" if event.stage is Stage.LOWERING else "compiling"
    if event.searching:
        said = f"looking for the largest batch: {said} {batch}"
    elif event.per_core_batch is not None:
        said += f" {batch}"
    if event.seconds:
        said += f", {format_seconds(int(event.seconds))}"
    if event.memory_bytes:
        said += f", {format_bytes(event.memory_bytes)} of memory"
    return said
