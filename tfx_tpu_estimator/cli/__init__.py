"""The command line, `tfx-tpu-estimator`: a file for each command, loaded when it is wanted."""

from __future__ import annotations

import importlib
import sys
from typing import Any

# What shells say of a program that SIGINT ended.
INTERRUPTED = 130

try:
    import click
    from click.shell_completion import CompletionItem

    from tfx_tpu_estimator.version import __version__
except KeyboardInterrupt:  # there is nothing yet that would say it in words
    sys.stderr.write("\nInterrupted.\n")
    sys.exit(INTERRUPTED)

# By name: what `--help` says in one line. The command is the function of the same name, with "_"
# for "-", in the module of the same name of this package.
_COMMANDS = {
    "check": "Report what of a program runs here, without running it.",
    "compile": "Compile every program of a model with the TPU compiler; no TPU is needed.",
    "demo": "Run an example pipeline on real data: import, train, evaluate, push.",
    "jobset": "Write the manifest that runs a program on a TPU slice of several hosts on GKE.",
    "lineage": "Show where a model came from, and what became of it.",
    "pipeline": "Run a pipeline on this machine, or compile it for a cluster.",
    "doctor": "Say what is wrong with this machine's set-up, and what to do about it.",
    "evaluate": "Evaluate a SavedModel on examples: metrics by slice, thresholds, a page.",
    "export": "Write a SavedModel of a module's trained model.",
    "predict": "Predict examples with a module's trained model: a JSON line for each.",
    "push": "Check a model and make it the newest version of a serving directory.",
    "retrain": "Train a model again from what was recorded; say whether it is identical.",
    "rollback": "Go back to an earlier version of a serving directory.",
    "run": "Run a program that was written for tf.estimator, unmodified.",
    "skew": "Compare the two graphs of a SavedModel, {serve} and {serve, tpu}, on examples.",
    "train": "Train a module's model, from its last checkpoint on; evaluate and export it.",
}


class _LazyGroup(click.Group):
    """Loads a command's module only when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = cmd_name.replace("-", "_")
        return getattr(importlib.import_module(f"{__name__}.{module}"), module)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; an interruption ends it as one ends other programs, with 130."""
        try:
            # Completion of names does not come here and does without it.
            from tfx_tpu_estimator.cli.interruption import kept_interruptions

            with kept_interruptions():
                return super().invoke(ctx)
        except KeyboardInterrupt as error:
            click.echo("\nInterrupted.", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(_COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Completes names without loading every command, which click would do."""
        found = [
            CompletionItem(name, help=text)
            for name, text in sorted(_COMMANDS.items())
            if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]


_COMPLETION = """\b
Completion of commands, options and topologies, for the start-up file of a shell:
  bash: eval "$(_TFX_TPU_ESTIMATOR_COMPLETE=bash_source tfx-tpu-estimator)"
  zsh:  eval "$(_TFX_TPU_ESTIMATOR_COMPLETE=zsh_source tfx-tpu-estimator)"
  fish: _TFX_TPU_ESTIMATOR_COMPLETE=fish_source tfx-tpu-estimator | source
"""


@click.command(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_COMPLETION,
)
@click.version_option(__version__, prog_name="tfx-tpu-estimator")
def main() -> None:
    """TFX components and pipelines around a TPUEstimator runtime."""
