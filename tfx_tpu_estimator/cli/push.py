"""`tfx-tpu-estimator push`."""

from __future__ import annotations

import importlib
from typing import Any

import click

from tfx_tpu_estimator.cli.common_options import output_option
from tfx_tpu_estimator.cli.serving_output import explain_failures, show


@click.command()
@click.argument("model")
@click.argument("directory", metavar="DIR")
@click.option("--serve-only", is_flag=True, help="Push the {serve} metagraph alone.")
@click.option(
    "--require-tpu/--no-require-tpu",
    default=True,
    show_default=True,
    help="Refuse a model without a {serve, tpu} metagraph; of no effect with --serve-only.",
)
@click.option("--keep", type=click.IntRange(min=2), help="Versions to keep; default: all.")
@click.option(
    "--allow-op",
    "allowed_ops",
    multiple=True,
    metavar="OP",
    help="Accept an op that runs Python, touches files, or is unknown. Can be repeated.",
)
@click.option("--no-load", is_flag=True, help="Do not load the model to check it.")
@click.option("--allow-rolled-back", is_flag=True, help="Push what was just rolled back.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=600.0,
    show_default=True,
    help="Seconds to wait for another push to DIR.",
)
@output_option()
def push(model: str, directory: str, output: str, **given: Any) -> None:
    """Check a model and make it the newest version of a serving directory.

    MODEL is a SavedModel, or a Model artifact of a pipeline. DIR is what a model server watches; it
    is made if it does not exist. The model is copied under a name that is no version, compared, and
    renamed, so that a server never sees a part of it. If the newest version already is this model,
    nothing is copied. No blessing is asked for: that is for pipelines.

    \b
    tfx-tpu-estimator push export/1700000000 serving/taxi --keep 5
    tfx-tpu-estimator push out/Trainer/model/4 serving/taxi --serve-only

    Exit code: 0 if the model is the newest version now, 1 if it was refused or could not be copied,
    2 for wrong usage, 130 after an interruption.
    """
    with explain_failures(output):
        command = importlib.import_module("tfx_tpu_estimator.components.pusher.command")
        try:
            path = command.find_saved_model(model)
            command.check_directory(directory, path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise click.UsageError(str(error)) from error
        pushed = command.push_checked(
            path,
            directory,
            serve_only=given["serve_only"],
            require_tpu_metagraph=given["require_tpu"],
            keep_versions=given["keep"],
            allowed_ops=given["allowed_ops"],
            load_model=not given["no_load"],
            allow_rolled_back=given["allow_rolled_back"],
            lock_timeout_secs=given["wait"],
        )
        history = command.read_history(directory)
    facts = {
        "pushed": not pushed.already_newest,
        "already_newest": pushed.already_newest,
        "version": pushed.version,
        "path": pushed.path,
        "digest": pushed.digest,
        "previous_version": pushed.previous_version,
        "removed": list(pushed.removed),
    }
    if pushed.already_newest:
        headline = f"{pushed.path} already is this model: nothing was copied."
    else:
        headline = f"Pushed to {pushed.path}."
    if pushed.removed:
        headline += f" Removed: {', '.join(str(version) for version in pushed.removed)}."
    show(output, facts, headline, history)
