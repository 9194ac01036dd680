"""`tfx-tpu-estimator compile`."""

from __future__ import annotations

import contextlib
import importlib
import shlex
import warnings
from typing import Any

import click

from tfx_tpu_estimator.cli import INTERRUPTED
from tfx_tpu_estimator.cli.common_options import (
    count_option,
    eval_batch_size_option,
    report_options,
    train_batch_size_option,
)
from tfx_tpu_estimator.cli.compile_options import (
    ParameterType,
    TopologyType,
    name_options,
    name_options_in_report,
)
from tfx_tpu_estimator.cli.compile_output import write_report
from tfx_tpu_estimator.cli.compile_progress import CompileProgress
from tfx_tpu_estimator.cli.native_output import native_output_aside, quiet_libraries
from tfx_tpu_estimator.cli.output_file import choose_format, validate_destination
from tfx_tpu_estimator.cli.remembered_words import RememberingCommand
from tfx_tpu_estimator.compile_check.compiler import CompilerMissingError, describe_compiler
from tfx_tpu_estimator.compile_check.report import PROGRAMS, CompileReport
from tfx_tpu_estimator.config.preflight import DEFAULT_TIMEOUT_SECS
from tfx_tpu_estimator.errors import UserModuleError


@click.command(cls=RememberingCommand)
@click.argument("module", type=click.Path())
@click.option(
    "-t",
    "--topology",
    "topologies",
    type=TopologyType(),
    multiple=True,
    required=True,
    help="For which TPUs: chip and layout, such as v5e:2x2. Can be given several times.",
)
@train_batch_size_option
@eval_batch_size_option
@count_option("--predict-batch-size", "Default: that of evaluation.")
@count_option(
    "--serving-batch-size", "Examples of a request. Default: those of a core in prediction."
)
@click.option(
    "-p",
    "--program",
    "programs",
    type=click.Choice(PROGRAMS),
    multiple=True,
    help="Only this program. Can be given several times. Default: all there are.",
)
@click.option(
    "--param",
    "params",
    type=ParameterType(),
    multiple=True,
    help="A further entry of `params`; VALUE as JSON, else as text.",
)
@click.option(
    "--schema",
    type=click.Path(exists=True, dir_okay=False),
    help="Schema from which shapes come if MODULE has no input functions.",
)
@click.option("--label-key", help="The schema's feature that is the label.")
@click.option(
    "--search-batch",
    is_flag=True,
    help="Also find the largest batch per core that fits: up to six more compiles each.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    default=DEFAULT_TIMEOUT_SECS,
    show_default=True,
    help="For one compile.",
)
@click.option(
    "--cache-dir",
    type=click.Path(file_okay=False),
    help="Where results are kept. Default: the user's cache directory.",
)
@click.option("--no-cache", is_flag=True, help="Compile again what is in the cache.")
@report_options
@click.option("--details", is_flag=True, help="In the table, also every program's largest tensors.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on the standard error.")
@click.pass_context
def compile(
    ctx: click.Context, /, module: str, output: str | None, output_file: str | None, details: bool,
    quiet: bool, **options: Any,
) -> None:  # fmt: skip
    """Compile every program of a model with the TPU compiler; no TPU is needed.

    MODULE is a Python file as the Trainer takes it, or the dotted name of a module: model_fn, and
    those of train_input_fn, eval_input_fn, predict_input_fn, serving_input_receiver_fn and
    estimator_params that there are. Nothing is read or trained. What cannot run on a TPU is told
    within seconds, before anything is compiled; then each program is compiled, and the report says
    whether it fits, what it needs, and what bounds its speed. The compiler is the package libtpu:
    pip install 'tfx-tpu-estimator[tpu]'.

    \b
    Examples:
      tfx-tpu-estimator compile model.py -t v5e:2x2
      tfx-tpu-estimator compile model.py -t v5e:2x2 -t v4:2x2x1 --train-batch-size 1024 \\
          --search-batch -o report.html
      tfx-tpu-estimator compile model.py -t v5e:2x2 -p train --output json | jq '.programs[].status'

    The report goes to the standard output or the file, progress to the standard error. What was
    compiled is kept: after an interruption the same command goes on from there.

    Exit code: 0 if all programs compile and fit; 1 if one does not; 2 for wrong usage, a module
    that cannot be used, or no compiler; 130 after an interruption.
    """
    form = choose_format(output, output_file)
    validate_destination(form, output_file)
    try:
        report = _compile(module, options, quiet)
    except KeyboardInterrupt:
        click.echo(
            "\nInterrupted; no report was written. What was compiled so far is kept: the same "
            "command goes on from there.",
            err=True,
        )
        ctx.exit(INTERRUPTED)
    write_report(report, form, output_file, details=details, command=shlex.join(ctx.meta["words"]))
    ctx.exit(0 if report.ok else 1)


def _compile(module: str, options: dict[str, Any], quiet: bool) -> CompileReport:
    """Runs the compile check.

    Raises:
        UsageError: The module or an option cannot be used, or there is no compiler.
    """
    arguments = {
        **options,
        "params": dict(options["params"]),
        "programs": options["programs"] or None,
        "timeout_secs": options["timeout"],
        "use_cache": not options["no_cache"],
    }
    del arguments["timeout"], arguments["no_cache"]
    try:
        describe_compiler()  # before TensorFlow is loaded, which takes seconds
        # What a module prints must not come between the lines of the report.
        with (
            native_output_aside() as stderr,
            contextlib.redirect_stdout(stderr),
            CompileProgress(quiet) as progress,
        ):
            progress.say("Loading TensorFlow and the module")
            with quiet_libraries():
                api = importlib.import_module("tfx_tpu_estimator.compile_api.compile_model")
            # Of functions that models of TensorFlow 1 are made of.
            warnings.filterwarnings("ignore", message=".* is deprecated and will be removed")
            report = api.compile_for_tpu(module, **arguments, progress=progress)
            return name_options_in_report(report)
    except (UserModuleError, CompilerMissingError, ValueError, TypeError) as error:
        raise click.UsageError(name_options(str(error))) from error
