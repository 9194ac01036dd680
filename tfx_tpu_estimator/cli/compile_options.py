"""How `tfx-tpu-estimator compile` reads its options."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import click
from click.shell_completion import CompletionItem

from tfx_tpu_estimator.cli.option_names import replace_arguments, spell_options
from tfx_tpu_estimator.compile_check.chips import CHIPS, EXAMPLES, parse_topology
from tfx_tpu_estimator.compile_check.report import CompileReport

# Arguments of the Python API, as they stand in its errors, with the option that gives each.
_OPTIONS = {
    "topology": "--topology",
    "topologies": "--topology",
    "programs": "--program",
    "params": "--param",
    "timeout_secs": "--timeout",
    "model": "MODULE",
    **spell_options(
        "train_batch_size", "eval_batch_size", "predict_batch_size", "serving_batch_size",
        "search_batch", "cache_dir", "schema", "label_key",
    ),
}  # fmt: skip


class TopologyType(click.ParamType):
    """The name of a topology; completes to one of each chip."""

    name = "topology"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return parse_topology(value).name
        except ValueError as error:
            self.fail(name_options(str(error)), param, ctx)

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        return f"For example {', '.join(EXAMPLES)}."

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [
            CompletionItem(name, help=f"{CHIPS[name.partition(':')[0]].hbm_bytes >> 30} GiB a core")
            for name in EXAMPLES
            if name.startswith(incomplete.lower())
        ]


class ParameterType(click.ParamType):
    """KEY=VALUE, with the value as JSON where it is such, else as text."""

    name = "KEY=VALUE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        if isinstance(value, tuple):  # converted already
            return value
        key, sign, text = value.partition("=")
        if not sign or not key:
            self.fail(f"must be KEY=VALUE, such as hidden_size=768; got {value!r}.", param, ctx)
        try:
            return key, json.loads(text)
        except ValueError:
            return key, text


def name_options(message: str) -> str:
    """Returns an error of the Python API with the names of options in the place of arguments.

    Example:
        >>> name_options("`train_batch_size` must be positive")
        '`--train-batch-size` must be positive'
    """
    return replace_arguments(message, _OPTIONS)


def name_options_in_report(report: CompileReport) -> CompileReport:
    """Returns a report whose messages name options in the place of arguments.

    Only names of several words are replaced: an op of the model may be called `params`.

    Args:
        report: Of the Python API.
    """
    options = {argument: option for argument, option in _OPTIONS.items() if "_" in argument}
    programs = [
        dataclasses.replace(program, message=replace_arguments(program.message, options))
        for program in report.programs
    ]
    notes = tuple(replace_arguments(note, options) for note in report.notes)
    return dataclasses.replace(report, programs=tuple(programs), notes=notes)
