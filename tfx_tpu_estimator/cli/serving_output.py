"""What `push` and `rollback` show: one JSON object, or a summary and the latest versions."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from tfx_tpu_estimator.cli.native_output import quiet_libraries
from tfx_tpu_estimator.cli.needed_packages import require_tfx

_SHOWN = 10


@contextlib.contextmanager
def explain_failures(output: str) -> Iterator[None]:
    """Turns what a push refuses into words and exit code 1.

    Args:
        output: `table` or `json`.
    """
    require_tfx()
    try:
        with quiet_libraries():
            yield
    except (ValueError, OSError) as error:
        reason = str(error).replace("`lock_timeout_secs`", "`--wait`")
        if output == "json":
            click.echo(json.dumps({"ok": False, "reason": reason}, indent=2))
        else:
            click.echo(f"Refused: {reason}", err=True)
        sys.exit(1)


def show(output: str, facts: Mapping[str, Any], headline: str, history: Sequence[Any]) -> None:
    """Prints what was done.

    Args:
        output: `table` or `json`.
        facts: What was done, as plain data.
        headline: The same, as a sentence.
        history: Entries of the serving directory, newest first.
    """
    if output == "json":
        versions = [entry.to_dict() for entry in history]
        click.echo(json.dumps({"ok": True, **facts, "versions": versions}, indent=2))
        return
    click.echo(headline)
    _print_versions(history)


def _print_versions(history: Sequence[Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("version", "state", "how", "model", "pushed (UTC)", "from"):
        table.add_column(name, no_wrap=name != "from", overflow="fold")
    for entry in history[:_SHOWN]:
        style = {"served": "bold green", "there": ""}.get(entry.state, "dim")
        table.add_row(str(entry.version), entry.state, *_describe(entry.record), style=style)
    console = Console()
    if not console.is_terminal:
        # In a file or a pipe a row is a line, however long.
        console = Console(width=1000)
    console.print(table)
    if len(history) > _SHOWN:
        click.echo(f"and {len(history) - _SHOWN} older; --output json has all.")


def _describe(record: Any) -> tuple[str, str, str, str]:
    if record is None:
        return "by something else", "", "", ""
    how = record.kind
    if record.rolled_back_to is not None:
        how = f"rollback to {record.rolled_back_to}"
    time = record.time.replace("T", " ").removesuffix("+00:00")
    return how, record.digest[:12], time, record.source
