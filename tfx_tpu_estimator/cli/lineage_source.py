"""Finds the model, and the store that knows it, for `lineage` and `retrain`."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from typing import Any

import click

from tfx_tpu_estimator.cli.needed_packages import require_tfx


def open_model(reference: str, metadata: str | None) -> tuple[Any, Any]:
    """Opens a lineage store and finds a model in it.

    Args:
        reference: What the user called the model.
        metadata: Where the store is, or the directory of its SQLite file; None: it is looked for.

    Returns:
        The store and the Model artifact. Where there is none, the program ends with a message and
        exit code 1.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.simplefilter("ignore", FutureWarning)
    require_tfx()
    finding = importlib.import_module("tfx_tpu_estimator.pipelines.lineage.finding")
    store_module = importlib.import_module("tfx_tpu_estimator.pipelines.lineage.mlmd_store")
    where = metadata or finding.find_store(reference)
    if metadata is not None and os.path.isdir(metadata):
        where = finding.find_store_in(metadata) or metadata
    if where is None:
        raise click.UsageError(
            f"there is no metadata.sqlite above {reference} or here: give --metadata."
        )
    try:
        store = store_module.MetadataLineage(where)
        return store, finding.find_model(store, reference)
    except FileNotFoundError as error:
        raise click.UsageError(str(error)) from error
    except (ValueError, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
