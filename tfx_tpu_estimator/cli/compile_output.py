"""Where and how `tfx-tpu-estimator compile` puts its report."""

from __future__ import annotations

import json

import click

from tfx_tpu_estimator.cli.output_file import write_output_file
from tfx_tpu_estimator.compile_check.html import render_html
from tfx_tpu_estimator.compile_check.report import CompileReport
from tfx_tpu_estimator.compile_check.table import print_report, render_table
from tfx_tpu_estimator.compile_check.words import describe_report, list_problems


def write_report(
    report: CompileReport, form: str, path: str | None, *, details: bool, command: str
) -> None:
    """Prints a report, or writes it to a file and says on the standard error what came out.

    Args:
        report: What the compile check found.
        form: `table`, `json` or `html`.
        path: The file; None for the standard output.
        details: In a table, also show every program's largest tensors.
        command: What the user typed; a page shows it.

    Raises:
        ClickException: The file cannot be written.
    """
    if path is None and form == "table":
        print_report(report, details=details)
        return
    text = {
        "table": lambda: render_table(report, details),
        "json": lambda: json.dumps(report.to_json(), indent=2) + "\n",
        "html": lambda: render_html(report, command),
    }[form]()
    if path is None:
        click.echo(text, nl=False)
        return
    write_output_file(path, text)
    verdict = describe_report(report)
    for who, words in list_problems(verdict):
        click.echo(f"{who}: {words}", err=True)
    click.echo(f"{verdict.title} Report: {path}", err=True)
