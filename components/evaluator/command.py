"""What `tfx-tpu-estimator evaluate` does, without its command line."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import tensorflow as tf
import tensorflow_model_analysis as tfma
from google.protobuf import json_format, text_format
from tensorflow_model_analysis.proto import config_pb2, validation_result_pb2
from tfx.components.util import udf_utils

from tfx_tpu_estimator.inputs import tfrecord

from ..saved_model import find_saved_model, read_meta_graphs
from .beam_run import run_tfma
from .choice import find_need_for_tfma
from .engine.evaluation import Evaluation
from .eval_config_checks import check_eval_config, check_signatures
from .notes import find_notes
from .options import RUNTIME, TFMA, check_workers
from .report.data import Results, read_results, to_json
from .report.terminal import print_results
from .report.writing import PAGE_FILE, write_evaluation_page
from .sliced import SlicedEvaluation
from .verdict import describe_failures
from .workers import run_by_workers

# Seconds between two lines of progress.
_PACE = 2.0


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came out.

    Attributes:
        results: Metrics by slice.
        engine: Who computed them.
        passed: Whether no threshold failed.
        verdict: A sentence.
        failures: What was not passed, in words.
        warnings: What of the settings had no effect, in words.
        page: Path of the page; None where nothing is kept.
    """

    results: Results
    engine: str
    passed: bool
    verdict: str
    failures: list[str]
    warnings: list[str]
    page: str | None

    def to_json(self) -> str:
        """Returns everything as JSON."""
        return to_json(
            self.results,
            engine=self.engine,
            passed=self.passed,
            verdict=self.verdict,
            failures=self.failures,
            warnings=self.warnings,
        )

    def print_table(self) -> None:
        """Prints metrics by slice."""
        print_results(self.results)


def evaluate_model(
    saved_model: str,
    patterns: Sequence[str],
    eval_config: str,
    *,
    baseline: str | None = None,
    engine: str = RUNTIME,
    workers: int | str | None = None,
    beam_args: Sequence[str] = (),
    batch_size: int = 1024,
    module_file: str | None = None,
    out: str | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Evaluates a SavedModel on TFRecord files.

    Args:
        saved_model: The directory of saved_model.pb, or of a Model artifact.
        patterns: Of files of tf.Examples.
        eval_config: File with a tfma.EvalConfig, as text or JSON.
        baseline: A SavedModel to compare with.
        engine: `runtime` or `tfma`.
        workers: Who evaluates; see `EvaluatorOptions.workers`.
        beam_args: Options of Beam; of `tfma`, and of `runtime` with its workers.
        batch_size: Examples that are predicted at a time.
        module_file: Python file with `add_features`.
        out: Where results and page are kept; None: nowhere.
        progress: Called with a line of text now and then.

    Raises:
        ValueError: If something is wrong with what was given.
        OSError: If a file cannot be read.
    """
    check_workers("--workers", workers, engine)
    saved_model = find_saved_model(saved_model, "SAVED_MODEL")
    baseline = baseline and find_saved_model(baseline, "--baseline")
    if out is not None and os.path.isfile(out):
        raise ValueError(f"`--out` {out} is a file: give a directory.")
    config = read_eval_config(eval_config)
    files = tfrecord.list_files(list(patterns), "--examples")
    check_signatures(config, read_meta_graphs(saved_model), saved_model)
    if baseline is not None:
        check_signatures(config, read_meta_graphs(baseline), baseline, is_baseline=True)
    hooks = _load_hooks(module_file)
    sliced = SlicedEvaluation(
        config=config,
        model=saved_model,
        baseline=baseline,
        files=files,
        compression=_find_compression(files),
        data_location=", ".join(patterns),
        batch_size=batch_size,
        add_features=hooks.get("add_features"),
        progress=_pace(progress),
    )
    engine = _choose(engine, sliced, hooks, progress)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_explain_failures(files, sliced.compression))
        path = out or stack.enter_context(tempfile.TemporaryDirectory(prefix="evaluation_"))
        return _run(sliced, engine, path, workers, beam_args, keep=out is not None)


@contextlib.contextmanager
def _explain_failures(files: Sequence[str], compression: str) -> Iterator[None]:
    """Names the damaged file behind a failure; what else TensorFlow says is an OSError."""
    try:
        yield
    except (tf.errors.OpError, RuntimeError) as error:
        tfrecord.raise_if_corrupt(files, compression)
        if isinstance(error, tf.errors.OpError):
            raise OSError(error.message.split("\n\nOriginal stack trace")[0]) from error
        raise


def _find_compression(files: Sequence[str]) -> str:
    try:
        return tfrecord.resolve_compression(None, files)
    except ValueError as error:
        raise ValueError(str(error).replace("`files`", "`--examples`")) from error


def read_eval_config(path: str) -> config_pb2.EvalConfig:
    """Reads an EvalConfig and checks it.

    Args:
        path: A file of the proto's text form, or JSON if it begins with a brace.

    Raises:
        ValueError: If it cannot be read, is none, or cannot work on a serving model.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"`--eval-config` {path} cannot be read: {reason}.") from error
    config = config_pb2.EvalConfig()
    try:
        if text.lstrip().startswith("{"):
            json_format.Parse(text, config)
        else:
            text_format.Parse(text, config)
    except (json_format.ParseError, text_format.ParseError) as error:
        raise ValueError(f"`--eval-config` {path} is no tfma.EvalConfig: {error}") from error
    check_eval_config(config)
    return config


def _load_hooks(module_file: str | None) -> dict[str, Any]:
    if module_file is None:
        return {}
    if not os.path.exists(module_file):
        raise ValueError(f"`--module-file` {module_file!r} does not exist.")
    found = udf_utils.try_get_fn({"module_file": module_file}, "add_features")
    if found is None:
        raise ValueError(f"`--module-file` {module_file!r} has no function `add_features`.")
    return {"add_features": found}


def _choose(
    engine: str, sliced: SlicedEvaluation, hooks: dict[str, Any], progress: Callable[[str], None]
) -> str:
    if engine == TFMA:
        if hooks:
            raise ValueError("`--module-file` works with `--engine runtime` only.")
        return TFMA
    need = find_need_for_tfma(sliced.resolved_config, sliced.models, dict.fromkeys(hooks, True))
    if need is None:
        return RUNTIME
    progress(f"TensorFlow Model Analysis computes the metrics, because {need}.")
    return TFMA


def _run(
    sliced: SlicedEvaluation,
    engine: str,
    path: str,
    workers: int | str | None,
    beam_args: Sequence[str],
    *,
    keep: bool,
) -> Outcome:
    evaluation: Evaluation | None = None
    if engine == TFMA:
        run_tfma(sliced, path, beam_args)
    else:
        evaluation = run_by_workers(
            sliced, path, workers, beam_args, lambda: beam.Pipeline(argv=list(beam_args))
        )
    validation = _load_validation(path, sliced)
    passed = validation is None or validation.validation_ok
    failures = [] if validation is None or passed else describe_failures(validation)
    verdict = _describe(validation, failures)
    notes = find_notes(sliced, path, evaluation)
    if keep:
        write_evaluation_page(
            path,
            title=" / ".join(part for part in sliced.model.split("/")[-2:] if part),
            verdict=None,
            fallback=verdict,
            validation=validation,
            sliced=sliced,
            evaluation=evaluation,
            engine=engine,
            model_fn_metrics={},
            notes=notes,
        )
    return Outcome(
        results=read_results(path, sliced.resolved_config, validation),
        engine=engine,
        passed=passed,
        verdict=verdict,
        failures=failures,
        warnings=notes,
        page=os.path.join(path, PAGE_FILE) if keep else None,
    )


def _load_validation(
    path: str, sliced: SlicedEvaluation
) -> validation_result_pb2.ValidationResult | None:
    config = sliced.resolved_config
    thresholds = tfma.metrics.metric_thresholds_from_metrics_specs(
        config.metrics_specs, eval_config=config
    )
    return tfma.load_validation_result(path) if thresholds else None


def _describe(
    validation: validation_result_pb2.ValidationResult | None, failures: Sequence[str]
) -> str:
    if validation is None:
        return "No thresholds are configured."
    if not failures:
        return "All thresholds passed."
    return f"{len(failures)} not passed: {'; '.join(failures)}."


def _pace(progress: Callable[[str], None]) -> Callable[[int], None]:
    """Says how many examples were read, but not too often."""
    started = last = time.monotonic()

    def say(count: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _PACE:
            last = now
            progress(f"{count:,} examples, {count / (now - started):,.0f} per second")

    return say
