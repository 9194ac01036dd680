"""`tfx-tpu-estimator demo`."""

from __future__ import annotations

import importlib
import sys

import click


@click.command()
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
