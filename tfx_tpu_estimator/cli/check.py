"""`tfx-tpu-estimator check`."""

from __future__ import annotations

import importlib
import os
import sys

import click

from tfx_tpu_estimator.cli.native_output import quiet_libraries


@click.command()
@click.argument("program")
@click.option(
    "--output",
    "--format",
    "output_format",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="json has everything, for other programs.",
)
@click.option("--all", "show_all", is_flag=True, help="Also list what this package supplies.")
def check(program: str, output_format: str, show_all: bool) -> None:
    """Report what of a program runs here, without running it.

    PROGRAM is a Python file (a script, a module file of a Trainer) or the name of a module. It
    is read together with the files of its own that it imports: names of TensorFlow that are
    supplied by this package, gone, or behave otherwise; what devices cannot run, as far as that
    shows.

    \b
    tfx-tpu-estimator check resnet_main.py
    tfx-tpu-estimator check --output json official.resnet.resnet_main | jq .

    Exit code: 0 if nothing unsupported was found, 1 if something was, 2 for wrong usage,
    130 after an interruption.
    """
    with quiet_libraries():
        report_module = importlib.import_module("tfx_tpu_estimator.compat.report")
    try:
        path = report_module.find_source(program, [os.getcwd(), *sys.path])
        report = report_module.check_program(path)
    except FileNotFoundError as error:
        raise click.UsageError(str(error)) from error
    except SyntaxError as error:
        raise click.UsageError(f"`PROGRAM` is no Python 3: {error}") from error
    if output_format == "json":
        click.echo(report.to_json())
    else:
        report_module.print_report(report, show_supplied=show_all)
    sys.exit(0 if report.is_supported else 1)
