"""`tfx-tpu-estimator lineage`."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import click

from tfx_tpu_estimator.cli.common_options import metadata_option, output_option
from tfx_tpu_estimator.cli.lineage_source import open_model


@click.command()
@click.argument("model")
@metadata_option
@output_option()
@click.option("--html", type=click.Path(dir_okay=False), help="Also draw it into this file.")
def lineage(model: str, metadata: str | None, output: str, html: str | None) -> None:
    """Show where a model came from, and what became of it.

    MODEL is the number or the place of a Model, a pushed version, or any SavedModel with the bytes
    of one. Without --metadata, metadata.sqlite is looked for in the directories above it, and here.

    \b
    tfx-tpu-estimator lineage out/pushed/1795264800
    tfx-tpu-estimator lineage 4 --metadata out/metadata.sqlite --html lineage.html

    Exit code: 0 if the model was found, 1 if it was not, 2 for wrong usage, 130 after an
    interruption.
    """
    store, found = open_model(model, metadata)
    tracing = importlib.import_module("tfx_tpu_estimator.pipelines.lineage.tracing")
    traced = tracing.trace_model(store, found)
    if output == "json":
        click.echo(json.dumps(traced.to_dict(), indent=2))
    else:
        _print(traced)
    if html is not None:
        drawing = importlib.import_module("tfx_tpu_estimator.pipelines.lineage.drawing")
        try:
            drawing.write_drawing(html, traced)
        except OSError as error:
            click.echo(f"{html} cannot be written: {error}", err=True)
            sys.exit(1)
        click.echo(f"Drawn: {html}", err=True)


def _print(traced: Any) -> None:
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    words = importlib.import_module("tfx_tpu_estimator.pipelines.lineage.words")

    def describe(artifact: Any, name: str = "") -> Text:
        title = f"{artifact.type} {artifact.id}"
        text = Text()
        text.append(f"{name}: " if name else "", style="dim")
        text.append(title, style="bold")
        text.append(f"  {artifact.uri}\n")
        text.append("\n".join(words.describe_artifact(artifact)), style="cyan")
        text.rstrip()
        return text

    def grow(branch: Tree, origin: Any) -> None:
        if origin.execution is None:
            return
        if origin.repeated:
            branch.add(Text("(as above)", style="dim"))
            return
        made = branch.add(Text(words.describe_execution(origin.execution), style="green"))
        for used in origin.inputs:
            grow(made.add(describe(used.artifact, used.name)), used)

    root = Tree(describe(traced.origin.artifact))
    grow(root, traced.origin)
    console = Console()
    console = console if console.is_terminal else Console(width=1000)
    console.print(root)
    if traced.results:
        console.print()
        results = Tree(Text("What became of it", style="bold"))
        for result in traced.results:
            results.add(describe(result.artifact, result.execution.node))
        console.print(results)
