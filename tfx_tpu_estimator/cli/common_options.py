"""Options that several commands have, each in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

Option = Callable[[Callable[..., Any]], Callable[..., Any]]


def output_option(*further: str, words: str | None = None) -> Option:
    """Returns --output, which is `table` unless it is given.

    Args:
        *further: Forms beside `table` and `json`.
        words: What the help says of it.
    """
    return click.option(
        "--output",
        type=click.Choice(["table", "json", *further]),
        default="table",
        show_default=True,
        help=words,
    )


def count_option(name: str, words: str, **further: Any) -> Option:
    """Returns an option that is a number of things, at least one.

    Args:
        name: Such as `--eval-steps`.
        words: What the help says of it.
        **further: As of `click.option`.
    """
    return click.option(name, type=click.IntRange(min=1), metavar="N", help=words, **further)


def report_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --output and --output-file of commands that write a report; see `choose_format`."""
    file = click.option(
        "-o",
        "--output-file",
        type=click.Path(dir_okay=False),
        help="File for the report; it is replaced only by a whole one.",
    )
    form = click.option(
        "--output",
        type=click.Choice(["table", "json", "html"]),
        help="json has everything, for other programs. Default: by the ending of --output-file, "
        "else table.",
    )
    return form(file(function))


def run_directory_option(default: str) -> Option:
    """Returns --output of commands that run a pipeline."""
    return click.option(
        "--output",
        default=default,
        show_default=True,
        type=click.Path(file_okay=False),
        help="Directory for everything the run writes.",
    )


JSON_WORDS = "json has everything, for other programs."
train_batch_size_option = count_option(
    "--train-batch-size", "Global batch size. Default: that of estimator_params(), else 128."
)
eval_batch_size_option = count_option("--eval-batch-size", "Default: that of training.")
examples_option = click.option(
    "--examples",
    "patterns",
    required=True,
    multiple=True,
    metavar="PATTERN",
    help="TFRecord files of tf.Examples, gzip or not. May be given several times.",
)
metadata_option = click.option(
    "--metadata",
    help="SQLite file or its directory, or postgresql://... or mysql://...",
)
no_cache_option = click.option(
    "--no-cache", is_flag=True, help="Run every node even if nothing has changed."
)
pipeline_file = click.argument("file", type=click.Path(exists=True, dir_okay=False))
