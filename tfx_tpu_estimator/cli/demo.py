"""`tfx-tpu-estimator demo`."""

from __future__ import annotations

import importlib
import sys

import click

from tfx_tpu_estimator.cli.common_options import no_cache_option, run_directory_option
from tfx_tpu_estimator.cli.needed_packages import require_tfx


@click.command()
@click.argument("name", type=click.Choice(["taxi", "digits"]))
@run_directory_option("demo_output")
@click.option("--steps", type=click.IntRange(min=1), help="Training steps; default: the example's.")
@click.option(
    "--use-tpu/--no-use-tpu",
    default=None,
    help="Run the model as one program on TPU cores (8 virtual ones on a machine without an "
    "accelerator), or on TensorFlow's own kernels. Default: taxi does, digits does not.",
)
@no_cache_option
def demo(name: str, output: str, steps: int | None, use_tpu: bool | None, no_cache: bool) -> None:
    """Run an example pipeline on real data: import, train, evaluate, push.

    taxi: Chicago taxi trips, a wide and deep model, evaluation by slice.
    digits: handwritten digits, a small convolutional network.

    Run again, it takes from the cache what has not changed.

    Exit code: 0 if all is done, 1 after a failure, 2 for wrong usage, 130 after an interruption.
    """
    from tfx_tpu_estimator.pipelines import console

    require_tfx()
    console.quiet_third_parties()
    run_demo = importlib.import_module("tfx_tpu_estimator.examples.demo").run_demo
    code = run_demo(name, output, train_steps=steps, use_tpu=use_tpu, enable_cache=not no_cache)
    sys.exit(code)
