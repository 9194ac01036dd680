"""`tfx-tpu-estimator export`."""

from __future__ import annotations

import json
import os
from typing import Any

import click

from tfx_tpu_estimator.cli.common_options import output_option
from tfx_tpu_estimator.cli.native_output import native_output_aside
from tfx_tpu_estimator.cli.program_options import load_program, shared_options
from tfx_tpu_estimator.cli.program_session import Session


@click.command()
@shared_options
@click.option(
    "--export-dir",
    required=True,
    type=click.Path(file_okay=False),
    help="The SavedModel is written to a new directory in this one.",
)
@click.option("--checkpoint", help="Prefix of a checkpoint. Default: the latest of --model-dir.")
@click.option(
    "--api-version",
    type=click.Choice(["1", "2"]),
    default="1",
    show_default=True,
    help="1: the runtime puts the model on the TPU; 2: the model_fn does so itself.",
)
@click.option("--no-tpu", is_flag=True, help="Only the metagraph {serve}, not {serve, tpu}.")
@click.option(
    "--assets-extra",
    multiple=True,
    metavar="[NAME=]PATH",
    help="A file to copy to assets.extra, as NAME or its own; may be given several times.",
)
@output_option()
def export(quiet: bool, traceback: bool, output: str, **values: Any) -> None:
    """Write a SavedModel of a module's trained model. No TPU is needed.

    MODULE is as for `train`, with serving_input_receiver_fn; --schema stands in for that.

    \b
    Examples:
      tfx-tpu-estimator export model.py --model-dir runs/m --export-dir exports
      tfx-tpu-estimator export model.py --model-dir runs/m --export-dir exports --no-tpu \\
          --checkpoint runs/m/model.ckpt-500 --assets-extra vocabulary.txt=data/words.txt

    The path of the SavedModel goes to the standard output, progress to the standard error.

    Exit code: 0 if it was written; 1 if something failed, and nothing is left of it; 2 for wrong
    usage or a module that cannot be used; 130 after an interruption.
    """
    with Session(values["module"], quiet=quiet, show_traceback=traceback) as session:
        session.say("Loading TensorFlow and the module")
        assets = _read_assets(values["assets_extra"])
        program = load_program(values, {"export_to_tpu": False if values["no_tpu"] else None})
        receiver_fn = program.resolve_receiver()
        estimator = program.create_estimator(values["model_dir"], int(values["api_version"]))
        session.begin()
        with native_output_aside():  # XLA's notes on its devices
            path = estimator.export_saved_model(
                values["export_dir"],
                receiver_fn,
                assets_extra=assets,
                checkpoint_path=values["checkpoint"],
            )
    tags = ["serve"] + (["serve, tpu"] if program.options.export_to_tpu else [])
    if output == "json":
        click.echo(json.dumps({"export": os.fsdecode(path), "metagraphs": tags}, indent=2))
    else:
        click.echo(os.fsdecode(path))


def _read_assets(words: tuple[str, ...]) -> dict[str, str] | None:
    assets: dict[str, str] = {}
    for word in words:
        name, _, path = word.rpartition("=")
        name = name or os.path.basename(path)
        if not os.path.isfile(path):
            raise ValueError(f"`--assets-extra` {word!r}: {path!r} is not a file.")
        if name in assets:
            raise ValueError(f"`--assets-extra` names {name!r} twice; give NAME=PATH.")
        assets[name] = path
    return assets or None
