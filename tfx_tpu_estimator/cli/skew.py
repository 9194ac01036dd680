"""`tfx-tpu-estimator skew`."""

from __future__ import annotations

import importlib
import sys

import click

from tfx_tpu_estimator.cli.native_output import native_output_aside


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
@click.option("--signature", "signatures", multiple=True, help="Check only this; may be repeated.")
@click.option(
    "--count",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    help="At most so many examples are read; 0 for all.",
)
@click.option("--batch-size", type=click.IntRange(min=1), default=64, show_default=True)
@click.option(
    "--tolerance",
    "tolerances",
    multiple=True,
    metavar="NAME=ABSOLUTE,RELATIVE[,OF_LARGEST]",
    help="Instead of the default, for a dtype, an output, or signature/output; may be repeated. "
    "Such as float32=1e-3,1e-2.",
)
@click.option(
    "--ignore",
    multiple=True,
    metavar="NAME",
    help="Do not compare this output, or signature/output; may be repeated.",
)
@click.option("--platform", type=click.Choice(["tpu", "gpu", "cpu"]), help="Default: the best.")
@click.option(
    "--output",
    "output_format",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="json has everything, for other programs.",
)
def skew(
    saved_model: str,
    patterns: tuple[str, ...],
    signatures: tuple[str, ...],
    count: int,
    batch_size: int,
    tolerances: tuple[str, ...],
    ignore: tuple[str, ...],
    platform: str | None,
    output_format: str,
) -> None:
    """Compare the two graphs of a SavedModel, {serve} and {serve, tpu}, on examples.

    SAVED_MODEL is the directory of saved_model.pb. {serve} runs in TensorFlow; the program inside
    {serve, tpu} is taken out of the file, compiled by XLA and run on an accelerator if there is
    one, else on the CPU. The code of the model is not needed, nor is a TPU.

    Exit code: 0 if both compute the same within the tolerances, 1 if not, 2 if the model or the
    examples cannot be read.
    """
    importlib.import_module("tfx_tpu_estimator.pipelines.console").quiet_third_parties()
    checking = importlib.import_module("tfx_tpu_estimator.skew_check.check")
    # A user's mistake ends the command inside, so that what native code wrote stays away then too.
    with native_output_aside() as stderr:
        try:
            report = checking.skew_check(
                saved_model,
                list(patterns),
                signatures=list(signatures) or None,
                count=count or None,
                batch_size=batch_size,
                tolerances=dict(_read_tolerance(text) for text in tolerances),
                ignore=ignore,
                platform=platform,
                progress=lambda line: click.echo(line, file=stderr),
            )
        except (ValueError, OSError, RuntimeError) as error:
            text = str(error).replace("`platform`", "`--platform`")
            click.echo(f"Error: {text}", file=stderr)
            sys.exit(2)
    if output_format == "json":
        click.echo(report.to_json())
    else:
        importlib.import_module("tfx_tpu_estimator.skew_check.table").print_report(report)
    sys.exit(0 if report.passed else 1)


def _read_tolerance(text: str) -> tuple[str, object]:
    """Reads NAME=ABSOLUTE,RELATIVE[,OF_LARGEST]."""
    from tfx_tpu_estimator.skew_check.tolerance import Tolerance

    name, _, numbers = text.rpartition("=")
    parts = [*numbers.split(","), "0"] if numbers.count(",") == 1 else numbers.split(",")
    try:
        absolute, relative, of_largest = (float(part) for part in parts)
    except ValueError as error:
        raise ValueError(
            "`--tolerance` must be NAME=ABSOLUTE,RELATIVE, such as float32=1e-3,1e-2; got "
            f"{text!r}."
        ) from error
    if not name:
        raise ValueError(f"`--tolerance` {text!r} names nothing; begin with a dtype or an output.")
    return name, Tolerance(absolute=absolute, relative=relative, of_largest=of_largest)
