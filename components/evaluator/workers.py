"""Who evaluates: this process, some processes of this machine, or Beam's workers."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import Any

from .beam_sums import find_remote_runner, run_on_beam
from .engine.evaluation import Evaluation
from .options import BEAM
from .sliced import SlicedEvaluation

_logger = logging.getLogger(__name__)


def run_by_workers(
    sliced: SlicedEvaluation,
    path: str,
    workers: int | str | None,
    beam_args: Sequence[str],
    make_pipeline: Callable[[], Any],
) -> Evaluation:
    """Evaluates by the runtime and writes the result.

    Args:
        sliced: What is evaluated on what.
        path: Directory for the files of TensorFlow Model Analysis.
        workers: As in EvaluatorOptions.
        beam_args: Beam's options.
        make_pipeline: Makes an empty Beam pipeline with these options.
    """
    workers = resolve_workers(workers, beam_args)
    if workers == BEAM:
        return run_on_beam(sliced, path, make_pipeline())
    assert isinstance(workers, int)
    return dataclasses.replace(sliced, workers=workers).run(path)


def resolve_workers(workers: int | str | None, beam_args: Sequence[str]) -> int | str:
    """Returns who evaluates where nobody said: Beam's workers, if they are elsewhere; else one."""
    runner = find_remote_runner(beam_args)
    if workers is None:
        return 1 if runner is None else BEAM
    if runner is not None and workers != BEAM:
        _logger.info(
            "`beam_pipeline_args` name %s, and `workers` is %s: metrics by slice are computed on "
            "this machine.",
            runner,
            workers,
        )
    return workers
