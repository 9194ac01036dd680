"""The skew check as part of an evaluation: {serve} and {serve, tpu} on the same examples."""

from __future__ import annotations

import os

from tfx.utils import io_utils

from ..constants import SERVE_TPU_TAGS
from ..examples import SplitFiles
from ..saved_model import list_tag_sets
from .options import EvaluatorOptions

SKEW_FILE = "skew_check.json"


def find_skew(path: str, files: SplitFiles, options: EvaluatorOptions, uri: str) -> list[str]:
    """Compares both graphs of a model and writes `skew_check.json`.

    Args:
        path: The SavedModel.
        files: Examples.
        options: How many of them.
        uri: Where the report goes.

    Returns:
        Reasons against the model, in words; none if both graphs compute the same.
    """
    # Heavy: it lowers the TPU graph.
    from tfx_tpu_estimator.skew_check.check import skew_check

    if SERVE_TPU_TAGS not in list_tag_sets(path):
        return ["the skew check was asked for, and the model has no {serve, tpu} metagraph"]
    report = skew_check(
        path,
        list(files.patterns),
        count=options.skew_examples,
        data_format=files.data_format,
    )
    io_utils.write_string_file(os.path.join(uri, SKEW_FILE), report.to_json() + "\n")
    return [] if report.passed else [f"skew check: {report.verdict}"]
