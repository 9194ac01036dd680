"""Stops what was about to start on a program that does not compile."""

from __future__ import annotations

import logging

from tfx_tpu_estimator.compile_check.events import Event, Stage
from tfx_tpu_estimator.compile_check.report import CompileReport
from tfx_tpu_estimator.errors import CompileCheckError

_logger = logging.getLogger(__name__)
_INTERVAL_SECS = 30.0


class LogProgress:
    """A progress callback that logs a line when something begins, and one in half a minute."""

    def __init__(self) -> None:
        self._last: tuple[str, str, Stage] | None = None
        self._told_secs = 0.0

    def __call__(self, event: Event) -> None:
        """Logs an event, unless it says nothing new."""
        now = (event.program, event.topology, event.stage)
        is_new = now != self._last
        if event.stage is Stage.DONE or not (
            is_new or event.seconds - self._told_secs >= _INTERVAL_SECS
        ):
            return
        self._last, self._told_secs = now, event.seconds
        _logger.info(
            "Compile check, %s program for %s: %s%s.", *now[:2], _describe(event), _measure(event)
        )


def _describe(event: Event) -> str:
    return f"waiting for {event.holder}" if event.holder else event.stage.value


def _measure(event: Event) -> str:
    """Returns seconds and memory in brackets where there are some, after a blank."""
    known = [f"{event.seconds:.0f} s"] if event.seconds >= 1 else []
    if event.memory_bytes:
        known.append(f"{event.memory_bytes / 2**20:.0f} MiB of memory")
    return f" ({', '.join(known)})" if known else ""


def require_ok(report: CompileReport) -> None:
    """Returns if all programs of a report compile and fit.

    Raises:
      CompileCheckError: One does not; says why, with the report as its `report`.
    """
    wrong = [program for program in report.programs if not program.ok]
    if wrong or not report.ok:
        problems = "\n".join(
            f"- {p.program} for {p.topology.name} ({p.status}): {p.message}" for p in wrong
        )
        raise CompileCheckError(
            f"The compile check of `{report.model}` found what would fail on the TPU:\n{problems}",
            report,
        )
    for program in report.programs:
        used, limit = program.peak_bytes or 0, program.hbm_bytes or 0
        _logger.info(
            "The %s program compiles for %s and needs %.1f of %.1f MiB of a core.",
            program.program,
            program.topology.name,
            used / 2**20,
            limit / 2**20,
        )
