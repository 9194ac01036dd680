"""The command line, `tfx-tpu-estimator`."""

from __future__ import annotations

import importlib
import os
import sys
import warnings

import click

from tfx_tpu_estimator.version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tfx-tpu-estimator")
def main() -> None:
    """TFX components and pipelines around a TPUEstimator runtime."""


@main.command()
@click.argument("name", type=click.Choice(["taxi", "digits"]))
@click.option(
    "--output",
    default="demo_output",
    show_default=True,
    type=click.Path(file_okay=False),
    help="Directory for everything the run writes.",
)
@click.option("--steps", type=click.IntRange(min=1), help="Training steps; default: the example's.")
@click.option(
    "--use-tpu/--no-use-tpu",
    default=None,
    help="Run the model as one program on TPU cores (8 virtual ones on a machine without an "
    "accelerator), or on TensorFlow's own kernels. Default: taxi does, digits does not.",
)
@click.option("--no-cache", is_flag=True, help="Run every node even if nothing has changed.")
def demo(name: str, output: str, steps: int | None, use_tpu: bool | None, no_cache: bool) -> None:
    """Run an example pipeline on real data: import, train, evaluate, push.

    taxi: Chicago taxi trips, a wide and deep model, evaluation by slice.
    digits: handwritten digits, a small convolutional network.
    """
    from tfx_tpu_estimator.pipelines import console

    console.quiet_third_parties()
    run_demo = importlib.import_module("tfx_tpu_estimator.examples.demo").run_demo
    code = run_demo(name, output, train_steps=steps, use_tpu=use_tpu, enable_cache=not no_cache)
    sys.exit(code)


@main.command(
    # Everything after SCRIPT is the script's own, options included.
    context_settings={"allow_interspersed_args": False}
)
@click.option("-m", "as_module", is_flag=True, help="SCRIPT is the name of a module.")
@click.option(
    "--tf1/--tf2",
    default=None,
    help="What `import tensorflow` gives the program's own files: tf.compat.v1, with v2 behaviour "
    "off, or TensorFlow 2. Default: tf.compat.v1 if they use names that only TensorFlow 1 had.",
)
@click.option(
    "--num-cores",
    type=click.IntRange(min=1),
    help="Number of virtual cores for use_tpu=True on a machine without an accelerator. Default: "
    "TPUConfig.num_shards, else 8.",
)
@click.option(
    "--platform",
    type=click.Choice(["tpu", "gpu", "cpu"]),
    help="Devices for use_tpu=True. Default: TPU cores, else GPUs, else the CPU.",
)
@click.argument("script")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def run(
    as_module: bool,
    tf1: bool | None,
    num_cores: int | None,
    platform: str | None,
    script: str,
    args: tuple[str, ...],
) -> None:
    """Run a program that was written for tf.estimator, unmodified.

    tf.estimator, tf.compat.v1.estimator, tensorflow_estimator and commonly used corners of
    tf.contrib are this package's while it runs. Options come before SCRIPT; what follows it is
    the program's own.

    \b
    tfx-tpu-estimator run --num-cores 4 mnist_tpu.py --use_tpu --model_dir=out
    tfx-tpu-estimator run -m official.resnet.resnet_main --help
    """
    # Without its notes on CUDA libraries; a value that the user set is kept.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if num_cores is not None:
        os.environ["TFX_TPU_ESTIMATOR_NUM_CORES"] = str(num_cores)
    if platform is not None:
        os.environ["TFX_TPU_ESTIMATOR_PLATFORM"] = platform
    run_script = importlib.import_module("tfx_tpu_estimator.compat.script").run_script
    try:
        code = run_script(script, args, as_module=as_module, tf1=tf1)
    except FileNotFoundError as error:
        raise click.UsageError(str(error)) from error
    sys.exit(code)


@main.command()
@click.argument("program")
@click.option(
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

    Exit code: 0 if nothing unsupported was found, 1 if something was, 2 for wrong usage.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with warnings.catch_warnings():
        # Packages that TensorFlow imports warn of this Python's age, which is not the program's.
        warnings.simplefilter("ignore", FutureWarning)
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


if __name__ == "__main__":
    main()
