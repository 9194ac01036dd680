"""The Trainer's compile check: before hours of training, whether the TPU will take the programs."""

from __future__ import annotations

import logging
import os

from tfx_tpu_estimator.compile_check.preflight import require_ok
from tfx_tpu_estimator.errors import CompileCheckError

from ..constants import COMPILE_REPORT
from ..options import TPUEstimatorOptions
from ..program_check import compile_programs, write_compile_report
from ..runtime import build_program
from ..user_module import ModuleForm, UserModule
from .inputs import TrainerInputs

_logger = logging.getLogger(__name__)

# A program that takes longer than this to compile is for a machine of its own.
_TIMEOUT_SECONDS = 3600.0


def check_preflight(module: UserModule, options: TPUEstimatorOptions) -> None:
    """Checks that the programs of a module can be known, where they are to be compiled.

    Raises:
        ValueError: If the module builds an estimator of its own.
    """
    if options.compile_check is not None and module.form is not ModuleForm.FUNCTIONS:
        raise ValueError(
            f"`options.compile_check` is {options.compile_check!r}, but module {module.label!r} "
            f"has `{module.form.value}`, whose programs only it knows. Leave the option out, and "
            "give the RunConfig in the module `compile_preflight=...` instead."
        )


def run_preflight(module: UserModule, inputs: TrainerInputs, directory: str) -> None:
    """Compiles what training, evaluation and serving will run, if the options ask for it.

    Args:
        module: A module of plain functions.
        inputs: Data, options and configuration.
        directory: Of the checkpoints; the report is written there, and stays after a failure.

    Raises:
        CompileCheckError: If a program does not compile or does not fit.
        CompilerMissingError: If there is no libtpu.
    """
    if module.form is not ModuleForm.FUNCTIONS:
        return
    program = build_program(module, inputs.options, inputs.data, inputs.custom_config)
    topology = program.options.compile_check
    if topology is None:
        return
    programs = ["train", "eval", "serving"] if program.options.export_to_tpu else ["train", "eval"]
    report = compile_programs(
        program, topology=topology, programs=programs, timeout_seconds=_TIMEOUT_SECONDS
    )
    write_compile_report(report, directory)
    try:
        require_ok(report)
    except CompileCheckError as error:
        path = os.path.join(directory, f"{COMPILE_REPORT}.html")
        raise CompileCheckError(f"{error}\nThe whole report is in {path}.", report) from error
    _logger.info("The compile check for %s has passed.", topology)
