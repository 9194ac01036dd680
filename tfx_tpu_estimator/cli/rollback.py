"""`tfx-tpu-estimator rollback`."""

from __future__ import annotations

import dataclasses
import importlib

import click

from tfx_tpu_estimator.cli.common_options import output_option
from tfx_tpu_estimator.cli.serving_output import explain_failures, show


@click.command()
@click.argument("directory", metavar="DIR")
@click.option("--to", type=int, help="Version to go back to; default: the one served before.")
@click.option("--list", "only_list", is_flag=True, help="Only show the versions.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=600.0,
    show_default=True,
    help="Seconds to wait for a push to DIR.",
)
@output_option()
def rollback(directory: str, to: int | None, only_list: bool, wait: float, output: str) -> None:
    """Go back to an earlier version of a serving directory.

    Servers take the largest number, so what is made is a new, larger version with the content of
    the earlier one; none is removed. A second rollback goes back one more. What was rolled back is
    not pushed again until another model has been, unless a push allows it.

    \b
    tfx-tpu-estimator rollback serving/taxi --list
    tfx-tpu-estimator rollback serving/taxi --to 1700000000

    Exit code: 0 if the content is served now, 1 if there is nothing to go back to, or it is not
    what was pushed, 2 for wrong usage, 130 after an interruption.
    """
    if only_list and to is not None:
        raise click.UsageError("--list changes nothing; leave out --to.")
    with explain_failures(output):
        command = importlib.import_module("tfx_tpu_estimator.components.pusher.command")
        try:
            command.check_exists(directory)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise click.UsageError(str(error)) from error
        if only_list:
            history = command.read_history(directory)
            if not history:
                raise ValueError(f"{directory} has no versions.")
            show(output, {}, f"Versions of {directory}:", history)
            return
        done = command.roll_back(directory, to, lock_timeout_secs=wait)
        history = command.read_history(directory)
    headline = f"Rolled back from {done.rolled_back_from} to {done.rolled_back_to}: {done.path}."
    if done.already_newest:
        headline = f"{done.path} already has the content of {done.rolled_back_to}: nothing to do."
    show(output, dataclasses.asdict(done), headline, history)
