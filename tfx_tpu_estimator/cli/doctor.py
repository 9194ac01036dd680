"""`tfx-tpu-estimator doctor`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tfx_tpu_estimator.cli.common_options import JSON_WORDS, output_option
from tfx_tpu_estimator.doctor.examine import examine, is_healthy
from tfx_tpu_estimator.doctor.finding import Finding, Level
from tfx_tpu_estimator.doctor.variables import list_early_modules

_PLAIN_WIDTH = 200
_MARKS = {
    Level.OK: ("ok", "green"),
    Level.NOTE: ("note", "blue"),
    Level.ATTENTION: ("attention", "yellow"),
    Level.PROBLEM: ("PROBLEM", "bold red"),
}


@click.command()
@output_option(words=JSON_WORDS)
def doctor(output: str) -> None:
    """Say what is wrong with this machine's set-up, and what to do about it.

    Looks at Python, the packages and whether their versions go together, environment variables,
    devices, ML Metadata, memory and disk. Nothing is changed.

    \b
    tfx-tpu-estimator doctor
    tfx-tpu-estimator doctor --output json | jq '.findings[] | select(.level == "problem")'

    Exit code: 0 if nothing will fail, 1 if something will, 2 for wrong usage,
    130 after an interruption.
    """
    loaded_early = list_early_modules()
    status = Console(stderr=True).status("")
    with status:
        findings = examine(lambda step: status.update(f"Looking at {step}"), loaded_early)
    healthy = is_healthy(findings)
    if output == "json":
        content = {"ok": healthy, "findings": [finding.to_dict() for finding in findings]}
        click.echo(json.dumps(content, indent=2))
    else:
        _print_findings(findings)
    sys.exit(0 if healthy else 1)


def _print_findings(findings: Sequence[Finding]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PLAIN_WIDTH)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    for finding in findings:
        word, style = _MARKS[finding.level]
        said = Text(finding.found)
        if finding.way_out:
            said.append("\nWay out: ", style="bold").append(finding.way_out)
        table.add_row(Text(word, style=style), Text(finding.subject, style="bold"), said)
    console.print(table)
    console.print()
    console.print(Text(_summarize(findings), style="bold"))


def _summarize(findings: Sequence[Finding]) -> str:
    problems = sum(finding.level is Level.PROBLEM for finding in findings)
    attention = sum(finding.level is Level.ATTENTION for finding in findings)
    found = []
    if problems:
        found.append(f"{problems} problem{'s' if problems > 1 else ''}")
    if attention:
        found.append(f"{attention} thing{'s' if attention > 1 else ''} to look at")
    return f"{', '.join(found)}." if found else "Nothing is wrong with this set-up."
