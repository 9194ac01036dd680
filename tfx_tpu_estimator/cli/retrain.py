"""`tfx-tpu-estimator retrain`."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

import click

from tfx_tpu_estimator.cli.common_options import metadata_option, output_option
from tfx_tpu_estimator.cli.lineage_source import open_model

_RESTORED = "TFX_TPU_ESTIMATOR_SETTINGS_RESTORED"


@click.command()
@click.argument("model")
@metadata_option
@click.option(
    "--keep",
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="Keep the new model in this directory, which is new or empty. Default: it is removed.",
)
@click.option("--anyway", is_flag=True, help="Train with other data or another module, too.")
@output_option()
def retrain(model: str, metadata: str | None, keep: str | None, anyway: bool, output: str) -> None:
    """Train a model again from what was recorded, and say whether it is identical.

    MODEL and --metadata are as for `lineage`. The run is rebuilt from ML Metadata: its data, the
    recorded source of its module, parameters, seed and number of replicas. What differs is named,
    causes before effects; if the data or the module is another one, nothing is trained.

    \b
    tfx-tpu-estimator retrain out/Trainer/model/4
    tfx-tpu-estimator retrain 4 --metadata out/metadata.sqlite --keep again

    Exit code: 0 if the new model is identical to the bit, 1 if it differs or was not trained, 2 for
    wrong usage, 130 after an interruption. Then, or if nothing could be trained, nothing is kept.
    """
    if keep is not None and os.path.isdir(keep) and os.listdir(keep):
        raise click.UsageError(f"`--keep` {keep} is not empty: give a new directory.")
    console = importlib.import_module("tfx_tpu_estimator.pipelines.console")
    # Not quiet_third_parties(): it turns oneDNN off, and with it come other last bits.
    warnings.simplefilter("ignore")
    store, found = open_model(model, metadata)
    _restore_settings(found.get("settings"))
    recorded = importlib.import_module("tfx_tpu_estimator.pipelines.lineage.recorded_run")
    retraining = importlib.import_module("tfx_tpu_estimator.pipelines.lineage.retraining")
    tensorflow = importlib.import_module("tensorflow")
    try:
        with _open_directory(keep) as directory:
            console.send_logs_to(os.path.join(directory, "retrain.log"))
            run = recorded.read_recorded_run(store, found)
            click.echo(f"Training model {found.id} again ({found.uri}).", err=True)
            report = retraining.retrain(run, directory, anyway=anyway)
            kept = keep if report.trained else None
            if kept is not None:
                os.replace(directory, kept)
    except (ValueError, OSError, RuntimeError, tensorflow.errors.OpError) as error:
        if output == "json":
            click.echo(json.dumps({"identical": False, "reason": str(error)}, indent=2))
        else:
            click.echo(f"Cannot be trained again: {error}", err=True)
        sys.exit(1)
    # It was made elsewhere, and is in its place now, or gone.
    report = dataclasses.replace(report, new_uri=kept and os.path.join(kept, "model"))
    if output == "json":
        click.echo(json.dumps(report.to_dict(), indent=2, default=str))
    else:
        _print(report)
    sys.exit(0 if report.identical else 1)


@contextlib.contextmanager
def _open_directory(keep: str | None) -> Iterator[str]:
    """Gives a directory to train in, beside `keep`; removes it if it is still there in the end."""
    parent = None if keep is None else os.path.dirname(os.path.abspath(keep))
    if parent is not None:
        os.makedirs(parent, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".retrain-", dir=parent) as directory:
        inside = os.path.join(directory, "again")
        os.mkdir(inside)
        yield inside


def _restore_settings(recorded: str | None) -> None:
    """Begins anew, as another program, if variables that change numbers were others then.

    TensorFlow reads them when it is loaded, which it is by now.
    """
    provenance = importlib.import_module("tfx_tpu_estimator.components.trainer.provenance")
    if not recorded or _RESTORED in os.environ:
        return
    settings = json.loads(recorded)
    if settings == provenance.read_settings():
        return
    environment = {**provenance.restore_settings(settings), _RESTORED: "1"}
    command = [sys.executable, "-m", "tfx_tpu_estimator.cli", *sys.argv[1:]]
    sys.stdout.flush()
    os.execve(sys.executable, command, environment)


def _print(report) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    if report.identical:
        console.print(f"[bold green]identical[/]: {report.digest}")
        title = "Although these differ:"
    elif report.trained:
        console.print(
            f"[bold red]differs[/]: {report.digest} was recorded, now {report.new_digest}"
        )
        title = "What differs, the first first:"
    else:
        console.print("[bold red]not trained[/]: the result could not be the same.")
        title = "What differs, the first first:"
    if report.differences:
        console.print(title)
    for difference in report.differences:
        console.print(f"  {escape(str(difference))}")
    if report.new_uri:
        console.print(f"The new model: {escape(report.new_uri)}")
