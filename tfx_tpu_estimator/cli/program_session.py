"""How `train`, `predict` and `export` speak: progress aside, failures in words, exit codes."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from typing import TextIO

import click

from tfx_tpu_estimator.cli import INTERRUPTED
from tfx_tpu_estimator.cli.native_output import native_output_aside, quiet_libraries
from tfx_tpu_estimator.cli.program_options import name_program_options
from tfx_tpu_estimator.tensorflow_messages import without_graph_stack, without_tensorflow_warnings


class Session:
    """One run of a command.

    Args:
        module: What was given as MODULE.
        quiet: Whether only warnings are shown.
        show_traceback: Whether errors come with the Python stack.

    Example:
        with Session("model.py", quiet=False, show_traceback=False) as session:
            session.say("Loading TensorFlow")
            session.begin()
            click.echo("the result", file=session.out)
    """

    def __init__(self, module: str, *, quiet: bool, show_traceback: bool):
        self._module = os.path.abspath(module)
        self._quiet = quiet
        self._show_traceback = show_traceback
        self._running = False
        self._stack = contextlib.ExitStack()
        self.out: TextIO = sys.stdout

    def __enter__(self) -> Session:
        # A value that the user set is kept.
        os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
        self.out = sys.stdout
        self._stack.enter_context(quiet_libraries())
        warnings.filterwarnings("ignore", message=".* is deprecated and will be removed")
        # What a module prints must not come between results.
        self._stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        self._stack.enter_context(_show_log(self._quiet))
        return self

    def say(self, line: str) -> None:
        """Tells of progress, unless the user wants quiet."""
        if not self._quiet:
            click.echo(line, err=True)

    def begin(self, *, on_devices: bool = False) -> None:
        """Says that all that was asked for makes sense: what fails now is no wrong usage.

        Args:
            on_devices: Whether a program runs on devices; XLA's notes on them are kept aside.
        """
        self._running = True
        if on_devices:
            self._stack.enter_context(native_output_aside())
            self._stack.enter_context(contextlib.redirect_stdout(sys.stderr))

    def __exit__(self, kind, error, trace) -> None:
        self._stack.close()
        if error is None or isinstance(
            error, click.ClickException | click.exceptions.Exit | BrokenPipeError
        ):
            return
        if isinstance(error, SystemExit):
            # Of the runtime at SIGTERM: its text says where the checkpoint is, its code is 143.
            if not isinstance(error.code, str) and str(error):
                click.echo(str(error), err=True)
            return
        if isinstance(error, KeyboardInterrupt):
            click.echo("\nInterrupted; checkpoints that were saved are kept.", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from error
        if self._show_traceback:
            click.echo("".join(traceback.format_exception(kind, error, trace)), err=True)
        place = self._find_place(error)
        if place is None and not _is_told(error):
            return  # not the user's: with its stack
        message = name_program_options(_describe(error)) + (place or "")
        if self._running:
            raise click.ClickException(message) from error
        raise click.UsageError(message) from error

    def _find_place(self, error: BaseException) -> str | None:
        """Returns the line of the user's module in which an error came up, if it was there."""
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            file = os.path.abspath(frame.filename)
            if file == self._module:
                return f" ({os.path.basename(file)}, line {frame.lineno}: {frame.line})"
        return None


def _is_told(error: BaseException) -> bool:
    """Whether an error is one that its text explains, the user's or the machine's."""
    if isinstance(error, ValueError | TypeError | OSError | NotImplementedError | MemoryError):
        return True
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        return False
    told = (tensorflow.errors.OpError, tensorflow.compat.v1.train.NanLossDuringTrainingError)
    return isinstance(error, told)


def _describe(error: BaseException) -> str:
    """Returns the text of an error, with its type where that says something."""
    text = without_graph_stack(error)
    known = type(error).__module__.startswith("tfx_tpu_estimator") or isinstance(error, OSError)
    if known or type(error) in (ValueError, TypeError):
        return text or type(error).__name__
    return f"{type(error).__name__}: {text}"


class _Echo(logging.Handler):
    """Writes to what the standard error is at that moment; native_output_aside changes it."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(name_program_options(self.format(record)), err=True)


@contextlib.contextmanager
def _show_log(quiet: bool) -> Iterator[None]:
    """Shows what the runtime logs on the standard error, as plain lines."""
    logger = logging.getLogger("tfx_tpu_estimator")
    handler = _Echo()
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.setLevel(logging.WARNING if quiet else logging.INFO)
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        with without_tensorflow_warnings():
            yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = before[1]
        logger.setLevel(before[0])
