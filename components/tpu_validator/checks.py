"""The checks that a model has to pass, each with its verdict and its report."""

from __future__ import annotations

import dataclasses
import logging
import os

from tfx.utils import io_utils

from tfx_tpu_estimator.compile_check.compiler import CompilerMissingError, describe_compiler
from tfx_tpu_estimator.compile_check.report import CompileReport
from tfx_tpu_estimator.compile_check.saved_model import compile_saved_model
from tfx_tpu_estimator.skew_check.check import skew_check

from .. import constants
from ..blessing import Verdict
from ..examples import SplitFiles
from ..program_check import (
    compile_programs,
    describe_program,
    log_event,
    write_compile_report,
)
from ..run_record import RunRecord, load_recorded_module
from ..runtime import build_program
from ..user_module import ModuleForm
from .options import SERVING, SKIP, TPUValidatorOptions

_progress = logging.getLogger("tfx_tpu_estimator.progress.skew_check")


def find_compiler(options: TPUValidatorOptions) -> str | None:
    """Returns the TPU compiler, or None where the compile check is to be left out.

    Raises:
        CompilerMissingError: If there is none, and the check must not be left out.
    """
    if not options.compile_check:
        return None
    try:
        return describe_compiler()
    except CompilerMissingError as error:
        if options.missing_compiler == SKIP:
            return None
        raise CompilerMissingError(
            f"{error} To go on without the compile check, give "
            "`TPUValidatorOptions(missing_compiler='skip')`; the blessing then says so."
        ) from error


def check_record(options: TPUValidatorOptions, record: RunRecord | None) -> None:
    """Checks that what a model was trained with is known, if programs of it are to be compiled.

    Raises:
        ValueError: If it is not, or is no module of plain functions.
    """
    others = [name for name in options.programs if name != SERVING]
    if not others or not options.compile_check:
        return
    wanted = f"`programs` has {', '.join(map(repr, others))}"
    if record is None:
        raise ValueError(
            f"{wanted}, but the model has no record of the module it was trained with: only this "
            "package's Trainer writes one. Leave it out; 'serving' needs the SavedModel only."
        )
    if record.form is not ModuleForm.FUNCTIONS:
        raise ValueError(
            f"{wanted}, but the model was trained by a module with `{record.form.value}`, whose "
            "programs only it knows. Leave it out, or give that module's RunConfig "
            "`compile_preflight`."
        )


def run_compile_check(
    serving_path: str,
    record: RunRecord | None,
    options: TPUValidatorOptions,
    compiler: str | None,
    report_dir: str,
) -> Verdict:
    """Compiles what the options name, and writes the report.

    Args:
        serving_path: The SavedModel.
        record: What it was trained with.
        options: For which TPU, and what.
        compiler: Of `find_compiler`.
        report_dir: Where the report is written.
    """
    if compiler is None:
        why = (
            "the TPU compiler (libtpu) is not installed here"
            if options.compile_check
            else "`compile_check=False`"
        )
        return Verdict(blessed=True, reason=f"the compile check was left out: {why}")
    report = _compile(serving_path, record, options)
    write_compile_report(report, report_dir)
    told = [program for program in report.programs if report.ok or not program.ok]
    reason = "; ".join(describe_program(program) for program in told)
    return Verdict(blessed=report.ok, reason=f"{reason} ({compiler})")


def run_skew_check(
    serving_path: str, examples: SplitFiles, options: TPUValidatorOptions, report_dir: str
) -> Verdict:
    """Runs both metagraphs on real examples, and writes the report.

    Args:
        serving_path: The SavedModel.
        examples: Files of examples.
        options: How many examples, and which tolerances.
        report_dir: Where the report is written.

    Raises:
        ValueError: If the examples do not fit the model.
        DataCorruptionError: If they cannot be read.
    """
    report = skew_check(
        serving_path,
        examples.patterns,
        count=options.num_examples,
        data_format=examples.data_format,
        tolerances=options.tolerances,
    )
    path = os.path.join(report_dir, f"{constants.SKEW_REPORT}.json")
    io_utils.write_string_file(path, report.to_json())
    verdict = " ".join(report.verdict.split())
    _progress.info("skew check: %s", verdict)
    return Verdict(blessed=report.passed, reason=f"skew check: {verdict}")


def _compile(
    serving_path: str, record: RunRecord | None, options: TPUValidatorOptions
) -> CompileReport:
    """Compiles the module's programs and the SavedModel's, into one report."""
    reports = []
    others = [name for name in options.programs if name != SERVING]
    if others:
        assert record is not None  # has been checked
        module = load_recorded_module(record)
        reports.append(
            compile_programs(
                build_program(module, record.options, record.data, record.custom_config),
                topology=options.topology,
                programs=others,
                timeout_seconds=options.timeout_seconds,
                cache_dir=options.cache_dir,
            )
        )
    if SERVING in options.programs:
        reports.append(
            compile_saved_model(
                serving_path,
                topologies=options.topology,
                batch_size=options.batch_size,
                timeout_secs=options.timeout_seconds,
                cache_dir=options.cache_dir,
                progress=log_event,
                name=reports[0].model if reports else None,
            )
        )
    return dataclasses.replace(
        reports[0],
        programs=tuple(program for report in reports for program in report.programs),
        notes=tuple(note for report in reports for note in report.notes),
    )
