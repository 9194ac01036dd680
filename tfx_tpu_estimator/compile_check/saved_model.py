"""The compile check of a SavedModel: the programs in its {serve, tpu} graph, as they are there."""

from __future__ import annotations

import dataclasses
import datetime
import os
from collections.abc import Callable, Sequence
from typing import Any

from tfx_tpu_estimator.compile_check.compiler import describe_compiler, list_versions
from tfx_tpu_estimator.compile_check.compiling import ProgramCompiler
from tfx_tpu_estimator.compile_check.events import Event, Stage
from tfx_tpu_estimator.compile_check.jobs import CompileJob
from tfx_tpu_estimator.compile_check.lowering import Lowered
from tfx_tpu_estimator.compile_check.options import make_options
from tfx_tpu_estimator.compile_check.report import (
    REFUSED,
    CompileReport,
    ProgramReport,
    Topology,
)
from tfx_tpu_estimator.compile_check.saved_programs import ServedProgram, lower_served_programs
from tfx_tpu_estimator.config.preflight import DEFAULT_TIMEOUT_SECS
from tfx_tpu_estimator.skew_check.saved_graphs import SERVE_TPU, read_metagraphs

_SERVING = "serving"


def compile_saved_model(
    saved_model_dir: str | os.PathLike,
    *,
    topologies: Sequence[str] | str,
    batch_size: int = 8,
    timeout_secs: float = DEFAULT_TIMEOUT_SECS,
    cache_dir: str | os.PathLike | None = None,
    use_cache: bool = True,
    progress: Callable[[Event], None] | None = None,
    name: str | None = None,
) -> CompileReport:
    """Compiles what a TPU server would run of a SavedModel, for TPUs that need not be there.

    The programs are taken out of the {serve, tpu} graph of saved_model.pb; none of the code that
    made the model is needed, and nothing of it is run. Needs libtpu:
    `pip install 'tfx-tpu-estimator[tpu]'`.

    Args:
      saved_model_dir: The directory of saved_model.pb.
      topologies: For which TPUs: a name such as `v5e:2x2`, or several. A request runs on one core.
      batch_size: Examples of a request. Where the graph allows certain sizes only, the largest of
        these that is not larger, else the smallest.
      timeout_secs: Of one compile. Default: an hour.
      cache_dir: Where results of compiles are kept. Default: the user's cache directory.
      use_cache: Whether results of before are used.
      progress: Called with an `Event` when there is news, several times a second.
      name: Of the model, for the report. Default: the directory's.

    Returns:
      The report, with a `serving` program for each TPU computation.

    Raises:
      ValueError: An argument is wrong, or there is no such SavedModel with {serve, tpu}.
      CompilerMissingError: libtpu is not installed; a RuntimeError.

    Example:
      report = compile_saved_model("/models/1700000000", topologies="v5e:2x2", batch_size=64)
      print(report.ok, report.programs[0].peak_bytes)
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"`batch_size` must be an int > 0; got {batch_size!r}.")
    options = make_options(
        topologies,
        programs=[_SERVING],
        serving_batch_size=batch_size,
        timeout_secs=timeout_secs,
        cache_dir=cache_dir,
        use_cache=use_cache,
    )
    directory = os.fspath(saved_model_dir)
    tell = progress or (lambda event: None)
    compiler = ProgramCompiler(options, tell)
    metagraph = read_metagraphs(directory)[SERVE_TPU]
    tell(Event(stage=Stage.LOWERING, program=_SERVING, topology=options.topologies[0].name))
    served, refusal = _lower(metagraph, batch_size)
    reports: list[ProgramReport] = []
    for topology in options.topologies:
        if refusal is not None:
            reports.append(_refuse(refusal, topology))
        reports += _compile(compiler, served, topology, tell)
    return CompileReport(
        model=name or os.path.basename(os.path.abspath(directory)),
        programs=tuple(reports),
        versions=list_versions(),
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        notes=tuple(_list_notes(served)),
    )


def _lower(metagraph: Any, batch_size: int) -> tuple[list[ServedProgram], str | None]:
    """Returns the programs, or none and why there are none."""
    try:
        served = lower_served_programs(metagraph, batch_size)
    except ValueError as error:
        return [], str(error)
    if served:
        return served, None
    return [], (
        "No signature of {serve, tpu} reaches a TPU computation: a server with a TPU would "
        "compute everything on its CPU. Export the model again, with `export_to_tpu=True`."
    )


def _compile(
    compiler: ProgramCompiler,
    served: Sequence[ServedProgram],
    topology: Topology,
    tell: Callable[[Event], None],
) -> list[ProgramReport]:
    reports = []
    for index, each in enumerate(served, start=1):
        event = Event(
            stage=Stage.COMPILING,
            program=_SERVING,
            topology=topology.name,
            per_core_batch=each.batch_size,
            index=index,
            count=len(served),
        )
        # A server runs a request on one core.
        job = CompileJob(program=each.program, topology=topology.name, steps=1, cores=1)
        lowered = Lowered(job=job, per_core_batch=each.batch_size, varies=bool(each.varying))
        report = compiler.compile(lowered, topology, event)
        tell(dataclasses.replace(event, stage=Stage.DONE, report=report))
        reports.append(report)
    return reports


def _refuse(reason: str, topology: Topology) -> ProgramReport:
    return ProgramReport(
        program=_SERVING,
        topology=topology,
        status=REFUSED,
        message=reason,
        compiler=describe_compiler(),
    )


def _list_notes(served: Sequence[ServedProgram]) -> list[str]:
    notes = []
    if len(served) > 1:
        names = ", ".join(each.name for each in served)
        notes.append(f"serving: the graph has {len(served)} TPU computations, in order: {names}.")
    notes += [
        f"serving: how many rows `{', '.join(each.varying)}` have, only a request says; they were "
        "taken to be as many as examples. More need more memory."
        for each in served
        if each.varying
    ]
    if served and served[0].larger:
        sizes = ", ".join(str(size) for size in served[0].larger)
        notes.append(
            f"serving: a batch of {served[0].batch_size} was compiled; the graph collects requests "
            f"into batches of {sizes} too, which need more memory. Give the largest as "
            "`batch_size`."
        )
    return notes
