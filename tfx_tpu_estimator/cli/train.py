"""`tfx-tpu-estimator train`."""

from __future__ import annotations

import importlib
import json
import os
import time
from typing import Any

import click

from tfx_tpu_estimator.cli.common_options import (
    count_option,
    eval_batch_size_option,
    output_option,
    train_batch_size_option,
)
from tfx_tpu_estimator.cli.native_output import native_output_aside
from tfx_tpu_estimator.cli.program_options import device_options, load_program, shared_options
from tfx_tpu_estimator.cli.program_session import Session

_OPTIONS = ("train_batch_size", "eval_batch_size", "save_checkpoints_steps", "seed")


@click.command()
@shared_options
@click.option(
    "--train-files",
    multiple=True,
    metavar="PATTERN",
    help="TFRecord files, as params['train_files']; quote it. May be given several times.",
)
@click.option("--eval-files", multiple=True, metavar="PATTERN", help="The same for --eval.")
@train_batch_size_option
@eval_batch_size_option
@count_option(
    "--max-steps",
    "Global step at which training ends; steps of earlier runs count.",
    required=True,
)
@count_option(
    "--save-checkpoints-steps", "Default: that of estimator_params(), else every 10 minutes."
)
@click.option("--seed", type=int, metavar="N", help="Default: that of estimator_params(), else 42.")
@device_options
@click.option("--eval", "evaluate", is_flag=True, help="Evaluate afterwards.")
@count_option("--eval-steps", "Batches to evaluate. Default: all of the input.")
@click.option(
    "--export-dir",
    type=click.Path(file_okay=False),
    help="Afterwards write a SavedModel to a new directory in this one.",
)
@output_option()
def train(quiet: bool, traceback: bool, output: str, **values: Any) -> None:
    """Train a module's model, from its last checkpoint on; evaluate and export it.

    MODULE is a Python file as the Trainer takes it, or the dotted name of a module, with model_fn
    and those of train_input_fn, eval_input_fn, serving_input_receiver_fn and estimator_params that
    there are. TFX is not needed. Run again, the command goes on from the last checkpoint.

    \b
    Examples:
      tfx-tpu-estimator train model.py --model-dir runs/m --max-steps 1000
      tfx-tpu-estimator train model.py --model-dir runs/m --train-files 'data/train-*' \\
          --eval-files 'data/eval-*' --train-batch-size 256 --max-steps 1000 \\
          --param learning_rate=0.1 --use-tpu --eval --export-dir exports

    The result goes to the standard output, progress to the standard error.

    Exit code: 0 if all is done; 1 if something failed; 2 for wrong usage or a module that cannot be
    used; 130 after an interruption; 143 after SIGTERM, with the state saved.
    """
    with Session(values["module"], quiet=quiet, show_traceback=traceback) as session:
        session.say("Loading TensorFlow and the module")
        result = _train(session, values)
    _show(output, result)


def _train(session: Session, values: dict[str, Any]) -> dict[str, Any]:
    program = load_program(
        values,
        {name: values[name] for name in _OPTIONS},
        train_files=values["train_files"],
        eval_files=values["eval_files"],
        train_steps=values["max_steps"],
        eval_steps=values["eval_steps"],
    )
    # What is missing is said before anything is trained.
    train_input_fn = program.resolve_train_input()
    eval_input_fn = program.resolve_eval_input() if values["evaluate"] else None
    eval_steps = program.count_eval_steps() if values["evaluate"] else None
    receiver_fn = program.resolve_receiver() if values["export_dir"] else None
    estimator = program.create_estimator(values["model_dir"])
    layout = importlib.import_module("tfx_tpu_estimator.checkpoints.layout")
    session.begin(on_devices=program.options.use_tpu)
    found = estimator.latest_checkpoint()
    start = layout.read_global_step(found) if found else 0
    if found:
        session.say(f"Going on from step {start}: {found}")
    began = time.monotonic()
    with program.explain_data_errors("train_files"):
        estimator.train(train_input_fn, max_steps=values["max_steps"])
    seconds = time.monotonic() - began
    with program.explain_data_errors("eval_files"):
        metrics = estimator.evaluate(eval_input_fn, steps=eval_steps) if eval_input_fn else None
    export = None
    if receiver_fn is not None:
        with native_output_aside():  # XLA's notes on its devices
            path = estimator.export_saved_model(values["export_dir"], receiver_fn)
        export = os.fsdecode(path)
    checkpoint = estimator.latest_checkpoint()
    return {
        "model_dir": estimator.model_dir,
        "start_step": start,
        "global_step": layout.read_global_step(checkpoint),
        "checkpoint": checkpoint,
        "replicas": estimator.num_replicas,
        "train_seconds": round(seconds, 3),
        "metrics": metrics,
        "export": export,
    }


def _show(output: str, result: dict[str, Any]) -> None:
    plain = importlib.import_module("tfx_tpu_estimator.module_program.plain_values").to_plain
    result = plain(result)
    if output == "json":
        click.echo(json.dumps(result, indent=2))
        return
    metrics = result.pop("metrics") or {}
    rows = [(key.replace("_", " "), value) for key, value in result.items() if value is not None]
    rows += [(name, value) for name, value in sorted(metrics.items()) if name != "global_step"]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        text = f"{value:.6g}" if isinstance(value, float) else str(value)
        click.echo(f"{name:<{width}}  {text}")
