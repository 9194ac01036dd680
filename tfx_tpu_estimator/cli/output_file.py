"""The file that a command writes its report to."""

from __future__ import annotations

import os
import sys

import click

from tfx_tpu_estimator.whole_files import write_local_file


def choose_format(output: str | None, output_file: str | None) -> str:
    """Returns the form of the report.

    Args:
        output: What was asked for, or None.
        output_file: The file, or None; its ending decides if nothing was asked for.

    Example:
        >>> choose_format(None, "report.html"), choose_format(None, None)
        ('html', 'table')
    """
    ending = os.path.splitext(output_file or "")[1].lower()
    return output or {".html": "html", ".htm": "html", ".json": "json"}.get(ending, "table")


def validate_output_file(path: str) -> None:
    """Looks whether a file can be written, before minutes are spent on what it shall hold.

    Raises:
        UsageError: It cannot.
    """
    folder = os.path.dirname(os.path.abspath(path))
    while not os.path.exists(folder):  # it is made when the report is there
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise click.UsageError(f"`--output-file` {path!r} cannot be written: {folder} is not a "
                               "directory that you may write to.")  # fmt: skip


def validate_destination(form: str, path: str | None) -> None:
    """Looks whether a report can go where it shall, before minutes are spent on it.

    Args:
        form: `table`, `json` or `html`.
        path: The file; None for the standard output.

    Raises:
        UsageError: The file cannot be written, or a page would go to a terminal.
    """
    if path is not None:
        validate_output_file(path)
    elif form == "html" and sys.stdout.isatty():
        raise click.UsageError(
            "`--output html` is a whole page: give `--output-file report.html`, or redirect the "
            "standard output."
        )


def write_output_file(path: str, text: str) -> None:
    """Writes a report; what was at `path` is replaced by a whole one.

    Raises:
        ClickException: It cannot be written.
    """
    try:
        write_local_file(path, text)
    except OSError as error:
        failure = click.ClickException(f"`--output-file` {path!r} cannot be written: {error}.")
        failure.exit_code = 2  # 1 says something about the model
        raise failure from error
