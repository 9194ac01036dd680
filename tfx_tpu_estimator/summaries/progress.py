"""Shows how far long work is: a bar on a terminal, plain log lines otherwise."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable

_logger = logging.getLogger("tfx_tpu_estimator.progress")

# Set to "bar", "plain" or "off" to override what the terminal would decide.
ENVIRONMENT_VARIABLE = "TFX_TPU_ESTIMATOR_PROGRESS"
_MODES = ("bar", "plain", "off")


def choose_mode() -> str:
    """Returns "bar", "plain" or "off".

    Raises:
      ValueError: The environment variable holds anything else.
    """
    wanted = os.environ.get(ENVIRONMENT_VARIABLE, "")
    if not wanted:
        return "bar" if sys.stderr.isatty() else "plain"
    if wanted not in _MODES:
        raise ValueError(f"`{ENVIRONMENT_VARIABLE}` is {wanted!r}; allowed are {list(_MODES)}.")
    return wanted


class Progress:
    """Progress of one piece of work, as a context manager.

    Args:
      description: What is done, e.g. "train".
      total: The count at the end, or None if unknown.
      unit: What is counted.
      mode: "bar", "plain" or "off"; None for what the terminal and environment say.
      interval: Seconds between plain lines.

    Example:
      >>> with Progress("count", total=2, mode="off") as progress:
      ...     progress.update(2)
    """

    def __init__(
        self,
        description: str,
        total: int | None = None,
        unit: str = "steps",
        mode: str | None = None,
        interval: float = 5.0,
    ):
        self._description = description
        self._total = total
        self._unit = unit
        self._mode = mode or choose_mode()
        self._interval = interval
        self._bar = None
        self._count = 0
        self._describe: Callable[[], str] | None = None

    def __enter__(self) -> Progress:
        self._started = self._last = time.monotonic()
        self._shown = -1
        if self._mode == "bar":
            self._start_bar()
        return self

    def __exit__(self, *exc) -> None:
        if self._bar is not None:
            self._refresh_bar()
            self._bar.stop()
            self._bar = None
        elif self._mode == "plain" and self._count != self._shown:
            self._log_line()

    def update(self, count: int, describe: Callable[[], str] | None = None) -> None:
        """Says that `count` units are done.

        Cheap enough to be called each step: drawing is limited to a few times a second.

        Args:
          count: Units done so far.
          describe: Returns what to show beside the count; called only when it is shown.
        """
        self._count = count
        self._describe = describe
        now = time.monotonic()
        if now - self._last < (0.1 if self._bar is not None else self._interval):
            return
        self._last = now
        if self._bar is not None:
            self._refresh_bar()
        elif self._mode == "plain":
            self._log_line()

    def _start_bar(self) -> None:
        from rich import console, progress

        self._bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.TextColumn("{task.fields[count]} " + self._unit),
            progress.TimeElapsedColumn() if self._total is None else progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[note]}"),
            console=console.Console(stderr=True),
        )
        self._task = self._bar.add_task(
            self._description, total=self._total, note="", count=self._of_total()
        )
        self._bar.start()

    def _refresh_bar(self) -> None:
        self._bar.update(
            self._task, completed=self._count, note=self._note(), count=self._of_total()
        )

    def _of_total(self) -> str:
        return str(self._count) if self._total is None else f"{self._count}/{self._total}"

    def _note(self) -> str:
        return self._describe() if self._describe else ""

    def _log_line(self) -> None:
        self._shown = self._count
        seconds = time.monotonic() - self._started
        note = self._note()
        note = f", {note}" if note else ""
        _logger.info(
            "%s: %s %s, %.0f s%s",
            self._description,
            self._of_total(),
            self._unit,
            seconds,
            note,
        )
