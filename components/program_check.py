"""The compile check of a user module's programs, as the Trainer and the TPUValidator make it."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Sequence

from tfx.utils import io_utils

from tfx_tpu_estimator.compile_check.events import Event, Stage
from tfx_tpu_estimator.compile_check.html import render_html
from tfx_tpu_estimator.compile_check.report import CompileReport, ProgramReport
from tfx_tpu_estimator.compile_check.words import describe_memory, describe_problem

from .constants import COMPILE_REPORT
from .runtime import (
    Program,
    create_estimator,
    resolve_eval_input_fn,
    resolve_receiver_fn,
    resolve_train_input_fn,
)

# One of the loggers whose records reach a terminal.
_progress = logging.getLogger("tfx_tpu_estimator.progress.compile_check")


def compile_programs(
    program: Program,
    *,
    topology: str,
    programs: Sequence[str],
    timeout_seconds: float,
    cache_dir: str | None = None,
) -> CompileReport:
    """Compiles programs of a user module for a TPU that need not be there.

    Input functions are called; nothing is read but what they read themselves to know shapes.

    Args:
        program: The module, with its options, `params` and data.
        topology: For which TPU, such as `v5e:2x2`.
        programs: Some of `train`, `eval`, `predict` and `serving`.
        timeout_seconds: What one compile may take.
        cache_dir: Where results of compiles are kept; None: the user's cache directory.

    Raises:
        UserModuleError: If a function is missing that cannot be built from the schema.
        ValueError: If the topology is unknown.
        CompilerMissingError: If there is no libtpu.
    """
    inputs = {}
    if "train" in programs:
        inputs["train_input_fn"] = resolve_train_input_fn(program)
    if "eval" in programs or "predict" in programs:
        inputs["eval_input_fn"] = resolve_eval_input_fn(program)
    if "predict" in programs:
        inputs["predict_input_fn"] = program.module.get("predict_input_fn")
    if "serving" in programs:
        inputs["serving_input_receiver_fn"] = resolve_receiver_fn(program)
    with tempfile.TemporaryDirectory(prefix="compile_check_") as folder:
        return create_estimator(program, folder).compile_check(
            topologies=topology,
            **inputs,
            programs=programs,
            timeout_secs=timeout_seconds,
            cache_dir=cache_dir,
            progress=log_event,
            name=os.path.splitext(os.path.basename(program.module.label))[0],
        )


def log_event(event: Event) -> None:
    """Logs what came of a program, and what a long compile waits for."""
    if event.stage is Stage.WAITING:
        _progress.info("compile check: waiting for another process that compiles")
    if event.stage is Stage.DONE and event.report is not None:
        _progress.info("compile check: %s", describe_program(event.report))


def describe_program(report: ProgramReport) -> str:
    """Returns what came of a program, in one sentence."""
    what = f"{report.program} for {report.topology.name}"
    if report.ok:
        return f"{what} compiles and needs {describe_memory(report)}"
    return f"{what} ({report.status}): {describe_problem(report)}"


def write_compile_report(report: CompileReport, directory: str) -> None:
    """Writes a report as JSON and as one HTML page.

    Args:
        report: The report.
        directory: Where, on any file system TFX writes.
    """
    path = os.path.join(directory, COMPILE_REPORT)
    io_utils.write_string_file(f"{path}.json", json.dumps(report.to_json(), indent=2))
    io_utils.write_string_file(f"{path}.html", render_html(report))
