"""`tfx-tpu-estimator evaluate`."""

from __future__ import annotations

import importlib
import sys

import click

from tfx_tpu_estimator.cli.native_output import quiet_deprecations, without_tensorflow_warnings


@click.command()
@click.argument("saved_model", type=click.Path())
@click.option(
    "--examples",
    "patterns",
    required=True,
    multiple=True,
    metavar="PATTERN",
    help="TFRecord files of tf.Examples, gzip or not. May be given several times.",
)
@click.option(
    "--eval-config",
    required=True,
    type=click.Path(),
    help="A tfma.EvalConfig as text or JSON: metrics, slices, thresholds, the label's name.",
)
@click.option("--baseline", type=click.Path(), help="A SavedModel to compare with.")
@click.option(
    "--engine",
    type=click.Choice(["runtime", "tfma"]),
    default="runtime",
    show_default=True,
    help="tfma: TensorFlow Model Analysis through Beam.",
)
@click.option(
    "--workers",
    callback=lambda context, option, text: int(text) if (text or "").isdigit() else text,
    metavar="N|beam",
    help="Processes that evaluate, or Beam's workers.  [default: 1, or beam where a --beam-arg "
    "names a runner that is elsewhere]",
)
@click.option(
    "--beam-arg", "beam_args", multiple=True, help="Handed to Beam as it is; may be repeated."
)
@click.option("--batch-size", type=click.IntRange(min=1), default=1024, show_default=True)
@click.option(
    "--module-file", type=click.Path(), help="Python file with `add_features`, for made-up labels."
)
@click.option(
    "--out",
    type=click.Path(),
    help="Directory for TFMA's files and evaluation.html. Default: none, with html `evaluation`.",
)
@click.option(
    "--output",
    "output_format",
    type=click.Choice(["table", "json", "html"]),
    default="table",
    show_default=True,
    help="json has everything, for other programs; html prints the path of the page.",
)
def evaluate(output_format: str, **arguments) -> None:
    """Evaluate a SavedModel on examples: metrics by slice, thresholds, a page to look at.

    SAVED_MODEL is the directory of saved_model.pb; its {serve} graph predicts.

    Exit code: 0 if all thresholds were passed or there are none, 1 if not, 2 if something cannot be
    read or evaluated.
    """
    importlib.import_module("tfx_tpu_estimator.pipelines.console").quiet_third_parties()
    quiet_deprecations()
    click.echo("Loading TensorFlow Model Analysis ...", err=True)
    try:
        command = importlib.import_module("tfx_tpu_estimator.components.evaluator.command")
    except ImportError as error:
        click.echo(
            f"Error: {error}. Metrics need TFX: pip install 'tfx-tpu-estimator[tfx]'.", err=True
        )
        sys.exit(2)
    if output_format == "html" and not arguments["out"]:
        arguments["out"] = "evaluation"
    try:
        with without_tensorflow_warnings():
            outcome = command.evaluate_model(
                **arguments, progress=lambda line: click.echo(line, err=True)
            )
    except (ValueError, OSError, RuntimeError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    click.echo(outcome.verdict, err=True)
    if output_format == "json":
        click.echo(outcome.to_json())
    elif output_format == "html":
        click.echo(outcome.page)
    else:
        outcome.print_table()
    sys.exit(0 if outcome.passed else 1)
