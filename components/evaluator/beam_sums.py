"""The runtime's sums by Beam's workers: on Dataflow, Flink, Spark or this machine."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.options import pipeline_options
from tfx.dsl.io import fileio

from .engine.block_evaluator import BlockEvaluator
from .engine.blocks import Block, read_file
from .engine.evaluation import Evaluation, finish
from .engine.partial_sums import Adding, Partial
from .engine.plan import Plan
from .sliced import SlicedEvaluation

# Written by the last step and read here; no pattern of TFMA's readers matches it.
_SUMS_FILE = ".sums.pickle"
_FAN_OUT = 16
# Words in the names of runners whose workers are this machine's.
_LOCAL = ("direct", "fnapi", "prism", "interactive")


def run_on_beam(sliced: SlicedEvaluation, path: str, pipeline: beam.Pipeline) -> Evaluation:
    """Evaluates through Beam and writes the result as `SlicedEvaluation.run` does.

    A worker reads a file or evaluates blocks of it. Sums are merged in the order they come in,
    so that numbers may differ from those of one process in their last digits.

    Args:
        sliced: What is evaluated on what. Its files, models and `path` must be reachable from all
            workers, and this package installed there.
        path: Directory for the files of TensorFlow Model Analysis.
        pipeline: Empty; it is run here.

    Raises:
        ValueError: If something cannot be evaluated; the message says what.
    """
    plan, target = sliced.plan, os.path.join(path, _SUMS_FILE)
    fileio.makedirs(path)
    serialized = plan.to_bytes()
    with pipeline:
        _ = (
            pipeline
            | "Files" >> beam.Create(list(enumerate(sliced.files)))
            | "SpreadFiles" >> beam.Reshuffle()
            | "ReadBlocks" >> beam.FlatMap(_read, sliced.compression, sliced.batch_size)
            | "SpreadBlocks" >> beam.Reshuffle()
            | "Evaluate" >> beam.ParDo(_EvaluateBlocks(serialized))
            | "Merge" >> beam.CombineGlobally(_MergeSums(serialized)).with_fanout(_FAN_OUT)
            | "Write" >> beam.Map(_write, target)
        )
    with fileio.open(target, "rb") as file:
        total: Partial = pickle.loads(file.read())
    fileio.remove(target)
    evaluation = finish(total, Adding(plan), plan, rubber_stamp=sliced.is_rubber_stamp)
    sliced.write(path, evaluation)
    return evaluation


def find_remote_runner(beam_args: Sequence[str]) -> str | None:
    """Returns the name of the runner that Beam's options set, if its workers are elsewhere."""
    options = pipeline_options.PipelineOptions(list(beam_args))
    runner = options.view_as(pipeline_options.StandardOptions).runner
    if not runner or any(word in runner.lower() for word in _LOCAL):
        return None
    return runner


class _EvaluateBlocks(beam.DoFn):
    """Evaluates blocks with models that are loaded once in each worker."""

    def __init__(self, plan: bytes):
        self._plan = plan
        self._evaluator: BlockEvaluator | None = None

    def setup(self) -> None:
        plan: Plan = pickle.loads(self._plan)
        self._evaluator = BlockEvaluator(plan, Adding(plan))

    def process(self, block: Block) -> Iterator[Partial]:
        assert self._evaluator is not None
        yield self._evaluator.evaluate(block)

    def teardown(self) -> None:
        if self._evaluator is not None:
            self._evaluator.__exit__()


class _MergeSums(beam.CombineFn):
    """Adds up what blocks came to."""

    def __init__(self, plan: bytes):
        self._plan = plan
        self._made: Adding | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_plan": self._plan, "_made": None}

    @property
    def _adding(self) -> Adding:
        if self._made is None:
            self._made = Adding(pickle.loads(self._plan))
        return self._made

    def create_accumulator(self) -> Partial:
        return self._adding.start()

    def add_input(self, accumulator: Partial, element: Partial) -> Partial:
        self._adding.merge(accumulator, element)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Partial]) -> Partial:
        total = self.create_accumulator()
        for accumulator in accumulators:
            self._adding.merge(total, accumulator)
        return total

    def extract_output(self, accumulator: Partial) -> Partial:
        return accumulator


def _read(numbered: tuple[int, str], compression: str, batch_size: int) -> Iterator[Block]:
    yield from read_file(*numbered, compression, batch_size)


def _write(total: Partial, target: str) -> None:
    # A worker may do this twice: each writes all.
    aside = f"{target}.{os.getpid()}.partial"
    with fileio.open(aside, "wb") as file:
        file.write(pickle.dumps(total, protocol=5))
    fileio.rename(aside, target, overwrite=True)
