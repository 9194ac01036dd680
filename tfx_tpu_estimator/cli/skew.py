"""`tfx-tpu-estimator skew`."""

from __future__ import annotations

import importlib
import os
import shlex
import sys
from typing import TYPE_CHECKING

import click

from tfx_tpu_estimator.cli.common_options import examples_option, report_options
from tfx_tpu_estimator.cli.native_output import native_output_aside
from tfx_tpu_estimator.cli.option_names import replace_arguments
from tfx_tpu_estimator.cli.output_file import (
    choose_format,
    validate_destination,
    write_output_file,
)
from tfx_tpu_estimator.cli.remembered_words import RememberingCommand

if TYPE_CHECKING:
    from tfx_tpu_estimator.skew_check.report import SkewReport


# Arguments of the Python API, as they stand in its errors, with what gives each.
_OPTIONS = {
    "saved_model_dir": "SAVED_MODEL",
    "examples": "--examples",
    "signatures": "--signature",
    "tolerances": "--tolerance",
    "ignore": "--ignore",
    "platform": "--platform",
}


@click.command(cls=RememberingCommand)
@click.argument("saved_model", type=click.Path())
@examples_option
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
@report_options
@click.pass_context
def skew(
    ctx: click.Context,
    /,
    saved_model: str,
    patterns: tuple[str, ...],
    signatures: tuple[str, ...],
    count: int,
    batch_size: int,
    tolerances: tuple[str, ...],
    ignore: tuple[str, ...],
    platform: str | None,
    output: str | None,
    output_file: str | None,
) -> None:
    """Compare the two graphs of a SavedModel, {serve} and {serve, tpu}, on examples.

    SAVED_MODEL is the directory of saved_model.pb, or of a Model artifact. {serve} runs in
    TensorFlow; the program inside {serve, tpu} is taken out of the file, compiled by XLA and run on
    an accelerator if there is one, else on the CPU. The code of the model is not needed, nor is a
    TPU.

    \b
    tfx-tpu-estimator skew export/1700000000 --examples 'data/eval*'
    tfx-tpu-estimator skew out/Trainer/model/4 --examples 'data/eval*' -o skew.html

    Exit code: 0 if both compute the same within the tolerances, 1 if not, 2 if the model or the
    examples cannot be read, 130 after an interruption.
    """
    form = choose_format(output, output_file)
    validate_destination(form, output_file)
    importlib.import_module("tfx_tpu_estimator.pipelines.console").quiet_third_parties()
    checking = importlib.import_module("tfx_tpu_estimator.skew_check.check")
    # A user's mistake ends the command inside, so that what native code wrote stays away then too.
    with native_output_aside() as stderr:
        try:
            report = checking.skew_check(
                _find_saved_model(saved_model),
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
            click.echo(f"Error: {replace_arguments(str(error), _OPTIONS)}", file=stderr)
            sys.exit(2)
    _write_report(report, form, output_file, shlex.join(ctx.meta["words"]))
    sys.exit(0 if report.passed else 1)


def _find_saved_model(path: str) -> str:
    """Returns the directory of saved_model.pb, which in a Model artifact is one below."""
    inside = os.path.join(path, "Format-Serving")
    if os.path.exists(os.path.join(path, "saved_model.pb")) or not os.path.isdir(inside):
        return path
    return inside


def _write_report(report: SkewReport, form: str, path: str | None, command: str) -> None:
    """Prints a report, or writes it to a file and says the verdict on the standard error."""
    table = importlib.import_module("tfx_tpu_estimator.skew_check.table")
    if path is None and form == "table":
        table.print_report(report)
        return
    if form == "html":
        page = importlib.import_module("tfx_tpu_estimator.skew_check.html")
        text = page.render_html(report, command)
    else:
        text = report.to_json() + "\n" if form == "json" else table.render_report(report)
    if path is None:
        click.echo(text, nl=False)
        return
    write_output_file(path, text)
    click.echo(f"{report.verdict} Report: {path}", err=True)


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
