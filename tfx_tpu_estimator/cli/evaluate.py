"""`tfx-tpu-estimator evaluate`."""

from __future__ import annotations

import importlib
import sys

import click

from tfx_tpu_estimator.cli.common_options import examples_option, output_option
from tfx_tpu_estimator.cli.native_output import quiet_deprecations
from tfx_tpu_estimator.cli.needed_packages import require_tfx
from tfx_tpu_estimator.tensorflow_messages import without_tensorflow_warnings


@click.command()
@click.argument("saved_model", type=click.Path())
@examples_option
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
@output_option(
    "html", words="json has everything, for other programs; html prints the path of the page."
)
def evaluate(output: str, **arguments) -> None:
    """Evaluate a SavedModel on examples: metrics by slice, thresholds, a page to look at.

    SAVED_MODEL is the directory of saved_model.pb, or of a Model artifact; its {serve} graph
    predicts.

    \b
    tfx-tpu-estimator evaluate export/1700000000 --examples 'data/eval/*' --eval-config eval.pbtxt
    tfx-tpu-estimator evaluate out/Trainer/model/4 --examples 'data/eval/*' \\
        --eval-config eval.pbtxt --baseline serving/taxi/1700000000 --output html --out evaluation

    Exit code: 0 if all thresholds were passed or there are none, 1 if not, 2 if something cannot be
    read or evaluated, 130 after an interruption.
    """
    require_tfx(exit_code=2)
    importlib.import_module("tfx_tpu_estimator.pipelines.console").quiet_third_parties()
    quiet_deprecations()
    click.echo("Loading TensorFlow Model Analysis ...", err=True)
    command = importlib.import_module("tfx_tpu_estimator.components.evaluator.command")
    if output == "html" and not arguments["out"]:
        arguments["out"] = "evaluation"
    try:
        with without_tensorflow_warnings():
            outcome = command.evaluate_model(
                **arguments, progress=lambda line: click.echo(line, err=True)
            )
    except (ValueError, OSError, RuntimeError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    for warning in outcome.warnings:
        click.echo(f"Warning: {warning}", err=True)
    click.echo(outcome.verdict, err=True)
    if output == "json":
        click.echo(outcome.to_json())
    elif output == "html":
        click.echo(outcome.page)
    else:
        outcome.print_table()
    sys.exit(0 if outcome.passed else 1)
