"""Makes the page of an evaluation and writes it beside the metrics."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from tensorflow_model_analysis.proto import validation_result_pb2

from tfx_tpu_estimator.whole_files import write_file

from ...blessing import Verdict
from ..engine.evaluation import Evaluation
from ..sliced import SlicedEvaluation
from ..verdict import describe_failures
from .charts import MOST_LINES
from .curves import Curves, make_curves
from .data import Results, read_results
from .page import Page

PAGE_FILE = "evaluation.html"
_ENGINES = {"runtime": "the runtime, in one pass", "tfma": "TensorFlow Model Analysis"}


def write_evaluation_page(
    path: str,
    *,
    title: str,
    verdict: Verdict | None,
    fallback: str = "",
    validation: validation_result_pb2.ValidationResult | None,
    sliced: SlicedEvaluation | None,
    evaluation: Evaluation | None,
    engine: str | None,
    model_fn_metrics: Mapping[str, Mapping[str, Any]],
    notes: Sequence[str] = (),
    facts: Sequence[tuple[str, str]] = (),
) -> str:
    """Writes `evaluation.html` into the directory of an evaluation.

    Args:
        path: The directory, with results in TFMA's format if there are metrics by slice.
        title: Name of the model.
        verdict: The blessing, or None.
        fallback: What stands in the verdict's place where there is none.
        validation: Result of the thresholds, or None.
        sliced: What was evaluated for metrics by slice, or None.
        evaluation: What the runtime computed, or None: curves are made of it.
        engine: Who computed metrics by slice.
        model_fn_metrics: Metrics of the model_fn by split.
        notes: What else a user should know, in words.
        facts: More names and values.

    Returns:
        The file's path.
    """
    results = None
    if sliced is not None and validation_is_there(path):
        results = read_results(path, sliced.resolved_config, validation)
    failures = describe_failures(validation) if validation and not validation.validation_ok else []
    page = Page(
        title=title,
        blessed=None if verdict is None else verdict.blessed,
        passed=None if validation is None else validation.validation_ok,
        reason=fallback if verdict is None else verdict.reason,
        failures=failures,
        notes=notes,
        facts=[*_list_facts(evaluation, engine, results), *facts],
        places=_list_places(sliced),
        results=results,
        curves=_make_curves(evaluation),
        model_fn_metrics=model_fn_metrics,
    )
    target = os.path.join(path, PAGE_FILE)
    write_file(target, page.render())
    return target


def validation_is_there(path: str) -> bool:
    """Whether an evaluation wrote its results into a directory."""
    return bool(tf.io.gfile.glob(os.path.join(path, "metrics*.tfrecord")))


def _make_curves(evaluation: Evaluation | None) -> dict[str, Curves]:
    if evaluation is None:
        return {}
    # The candidate is drawn first.
    specs = sorted(evaluation.config.model_specs, key=lambda spec: spec.is_baseline)
    histograms = evaluation.histograms
    names = {(spec.name, None): "baseline" if spec.is_baseline else "this model" for spec in specs}
    if not names.keys() & histograms.keys():
        # Of several classes those of the candidate are drawn, as far as there are colours.
        classes = sorted(c for name, c in histograms if name == specs[0].name and c is not None)
        names = {(specs[0].name, c): f"class {c}" for c in classes[:MOST_LINES]}
    curves = {
        words: make_curves(histograms[key]) for key, words in names.items() if key in histograms
    }
    return {words: found for words, found in curves.items() if found is not None}


def _list_facts(
    evaluation: Evaluation | None,
    engine: str | None,
    results: Results | None,
) -> list[tuple[str, str]]:
    found = []
    if evaluation is not None:
        found.append(("examples", f"{evaluation.count:,}"))
    if results is not None:
        found.append(("slices", f"{len(results.slices):,}"))
        found.append(("metrics", str(len(results.metrics))))
    if engine is not None:
        found.append(("computed by", _ENGINES[engine]))
    return found


def _list_places(sliced: SlicedEvaluation | None) -> list[tuple[str, str]]:
    if sliced is None:
        return []
    found = [("Model", sliced.model)]
    if sliced.baseline is not None:
        found.append(("Baseline", sliced.baseline))
    return [*found, ("Examples", sliced.data_location)]
