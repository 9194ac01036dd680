"""`tfx-tpu-estimator run`."""

from __future__ import annotations

import importlib
import os
import sys

import click

from tfx_tpu_estimator.cli.native_output import quiet_deprecations


@click.command(
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

    Exit code: that of the program; 2 for wrong usage, 130 after an interruption.
    """
    # Without its notes on CUDA libraries; a value that the user set is kept.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    quiet_deprecations()
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
