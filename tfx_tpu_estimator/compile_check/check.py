"""The compile check: lowers every program of a model, then compiles those that can be."""

from __future__ import annotations

import dataclasses
import datetime
import logging
from collections.abc import Callable, Sequence
from typing import Any

from tfx_tpu_estimator.compile_check.compiler import describe_compiler, list_versions
from tfx_tpu_estimator.compile_check.compiling import ProgramCompiler
from tfx_tpu_estimator.compile_check.events import Event, Stage
from tfx_tpu_estimator.compile_check.lowering import Lowered, lower_mode, lower_serving
from tfx_tpu_estimator.compile_check.options import CheckInputs, CheckOptions
from tfx_tpu_estimator.compile_check.refusals import explain_refusal
from tfx_tpu_estimator.compile_check.report import (
    FAILED,
    FITS,
    PROGRAMS,
    REFUSED,
    TOO_LARGE,
    CompileReport,
    ProgramReport,
    Topology,
)
from tfx_tpu_estimator.compile_check.search import Trial, find_largest_batch
from tfx_tpu_estimator.modes import ModeKeys
from tfx_tpu_estimator.runs.engine import TpuModel

_logger = logging.getLogger(__name__)
_MODES = {"train": ModeKeys.TRAIN, "eval": ModeKeys.EVAL, "predict": ModeKeys.PREDICT}
_NEEDED = {
    "train": "`train_input_fn`",
    "eval": "`eval_input_fn`",
    "predict": "`predict_input_fn` or `eval_input_fn`",
    "serving": "`serving_input_receiver_fn`",
}
# Stands for the functions where compile_for_tpu gets a module or a model_fn.
_SCHEMA = "give a module or model_fn the shapes by `schema` and `label_key`"


def check_model(
    name: str,
    model: TpuModel,
    inputs: CheckInputs,
    options: CheckOptions,
    on_event: Callable[[Event], None] | None = None,
) -> CompileReport:
    """Compiles the programs of a model for TPUs that are not there.

    All programs are lowered before the first is compiled, so that what cannot run on a TPU is
    known within seconds. A program that cannot be lowered or compiled is a result, not an error.

    Args:
      name: Of the model, for the report.
      model: The model.
      inputs: The functions that say what it is fed.
      options: For which TPUs, which programs, and how.
      on_event: Called with news.

    Returns:
      The report.

    Raises:
      CompilerMissingError: There is no libtpu.
      ValueError: A program is asked for whose function is missing, or there is no program.
    """
    return _Check(name, model, inputs, options, on_event or (lambda event: None)).run()


@dataclasses.dataclass(frozen=True)
class _Task:
    """One program on one topology: lowered, or refused."""

    program: str
    topology: Topology
    lowered: Lowered | None
    refusal: ProgramReport | None


class _Check:
    """One compile check."""

    def __init__(
        self,
        name: str,
        model: TpuModel,
        inputs: CheckInputs,
        options: CheckOptions,
        on_event: Callable[[Event], None],
    ):
        self._name = name
        self._model = model
        self._inputs = inputs
        self._options = options
        self._on_event = on_event
        self._programs = _choose_programs(inputs, options.programs)
        self._compiler_name = describe_compiler()
        self._compiler = ProgramCompiler(options, on_event)
        self._notes: list[str] = []
        # By topology: why libtpu cannot compile for it, None if it can.
        self._unknown: dict[Topology, str | None] = {}
        if options.programs is None:
            self._notes += _list_left_out(inputs)
        self._count = len(self._programs) * len(options.topologies)

    def run(self) -> CompileReport:
        wanted = [(t, p) for t in self._options.topologies for p in self._programs]
        tasks = [self._lower(p, t, i) for i, (t, p) in enumerate(wanted, start=1)]
        reports = [self._finish(task, i) for i, task in enumerate(tasks, start=1)]
        created = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        return CompileReport(
            model=self._name,
            programs=tuple(reports),
            versions=list_versions(),
            created=created,
            notes=tuple(dict.fromkeys(self._notes)),
        )

    def _lower(self, program: str, topology: Topology, index: int) -> _Task:
        event = self._event(Stage.LOWERING, program, topology, index)
        self._on_event(event)
        if topology not in self._unknown:
            self._unknown[topology] = self._compiler.refuse_topology(topology)
        unknown = self._unknown[topology]
        if unknown is not None:
            return self._refuse(event, topology, FAILED, unknown)
        try:
            lowered = self._lower_batch(program, topology, self._model, None)
        except Exception as error:  # whatever the user's functions and the runtime raise
            _logger.debug("Lowering %s for %s", program, topology.name, exc_info=True)
            message = explain_refusal(self._inputs.find(program), error)
            return self._refuse(event, topology, REFUSED, message)
        if lowered.varies:
            self._notes.append(
                f"{program}: the host fills rows of ids up to the longest; they were taken to have "
                "one id each. Longer rows need more memory."
            )
        return _Task(program, topology, lowered, None)

    def _refuse(self, event: Event, topology: Topology, status: str, message: str) -> _Task:
        """Ends with a program that is not compiled."""
        report = ProgramReport(
            program=event.program,
            topology=topology,
            status=status,
            message=message,
            compiler=self._compiler_name,
        )
        self._on_event(dataclasses.replace(event, stage=Stage.DONE, report=report))
        return _Task(event.program, topology, None, report)

    def _lower_batch(
        self, program: str, topology: Topology, model: TpuModel, serving_batch: int | None
    ) -> Lowered:
        function: Any = self._inputs.find(program)
        if program == "serving":
            batch = serving_batch or self._serving_batch(topology)
            return lower_serving(model, topology, function, batch)
        return lower_mode(model, topology, _MODES[program], function)

    def _serving_batch(self, topology: Topology) -> int:
        if self._options.serving_batch_size is not None:
            return self._options.serving_batch_size
        cores = self._model.config.tpu_config.num_cores_per_replica or 1
        total = self._model.batch_sizes[ModeKeys.PREDICT] or 1
        return max(1, total * cores // topology.cores)

    def _finish(self, task: _Task, index: int) -> ProgramReport:
        if task.lowered is None:
            assert task.refusal is not None, "what was not lowered was refused"
            return task.refusal
        event = self._event(Stage.COMPILING, task.program, task.topology, index)
        event = dataclasses.replace(event, per_core_batch=task.lowered.per_core_batch)
        report = self._compiler.compile(task.lowered, task.topology, event)
        if self._options.search_batch and report.status in (FITS, TOO_LARGE):
            report = dataclasses.replace(report, largest_batch=self._search(task, report, event))
        self._on_event(dataclasses.replace(event, stage=Stage.DONE, report=report))
        return report

    def _search(self, task: _Task, report: ProgramReport, event: Event) -> int | None:
        if report.per_core_batch is None:
            return None

        def compile_batch(batch: int) -> Trial | None:
            news = dataclasses.replace(event, searching=True, per_core_batch=batch)
            self._on_event(dataclasses.replace(news, stage=Stage.LOWERING))
            try:
                lowered = self._lower_other(task, batch)
            except Exception as error:
                self._notes.append(
                    f"{task.program}: the search for the largest batch ended at {batch} examples "
                    f"per core: {explain_refusal(self._inputs.find(task.program), error)}"
                )
                return None
            found = self._compiler.compile(lowered, task.topology, news)
            return _to_trial(found, batch) if found.status in (FITS, TOO_LARGE) else None

        return find_largest_batch(_to_trial(report, report.per_core_batch), compile_batch)

    def _lower_other(self, task: _Task, batch: int) -> Lowered:
        """Lowers a program for another batch of one core."""
        assert task.lowered is not None, "only programs that compile are searched"
        mode = _MODES.get(task.program)
        if mode is None:
            return self._lower_batch(task.program, task.topology, self._model, batch)
        job = task.lowered.job
        total = batch if job.broadcast else batch * (job.cores // job.cores_per_replica)
        sizes = {**self._model.batch_sizes, mode: total}
        model = dataclasses.replace(self._model, batch_sizes=sizes)
        return self._lower_batch(task.program, task.topology, model, None)

    def _event(self, stage: Stage, program: str, topology: Topology, index: int) -> Event:
        return Event(
            stage=stage, program=program, topology=topology.name, index=index, count=self._count
        )


def _to_trial(report: ProgramReport, batch: int) -> Trial:
    return Trial(batch, report.ok, report.peak_bytes, report.hbm_bytes or 0)


def _choose_programs(inputs: CheckInputs, wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Returns the programs to compile.

    Raises:
      ValueError: A function is missing.
    """
    if wanted is not None:
        missing = [name for name in wanted if inputs.find(name) is None]
        if missing:
            raise ValueError(
                f"The program `{missing[0]}` needs {_NEEDED[missing[0]]}, which the model lacks. "
                f"Add it, leave the program out of `programs`, or {_SCHEMA}."
            )
        return tuple(name for name in PROGRAMS if name in wanted)
    found = tuple(name for name in PROGRAMS if inputs.find(name) is not None)
    if not found:
        each = dict.fromkeys(name for names in _NEEDED.values() for name in names.split(" or "))
        raise ValueError(
            f"There is no program to compile: give at least one of {', '.join(each)}; or {_SCHEMA}."
        )
    return found


def _list_left_out(inputs: CheckInputs) -> list[str]:
    """Says which programs are left out because their function is missing."""
    return [
        f"{name} is left out: there is no {_NEEDED[name]}."
        for name in PROGRAMS
        if inputs.find(name) is None
    ]
