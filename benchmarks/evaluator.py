"""Compares both engines of the Evaluator on the same model and examples: `make bench-evaluator`.

Both run in one process, in turns; ratios are taken within a round. Start-up is an evaluation of a
few examples, after both engines ran once: what is left is what every evaluation pays. The runtime
with one worker and with two goes over more examples: the same file several times.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import tensorflow_model_analysis as tfma
from evaluator_data import EVAL_CONFIG, write_examples, write_model
from google.protobuf import text_format
from machine import measure_load

from tfx_tpu_estimator.components.evaluator.beam_run import run_tfma
from tfx_tpu_estimator.components.evaluator.report.data import Results, read_results
from tfx_tpu_estimator.components.evaluator.sliced import SlicedEvaluation

_FEW = 256
_SPEED_TARGET = 10.0
_START_TARGET = 0.5
# The many examples so many times, for workers: few enough are not worth a second process.
_TIMES = 16
_WORKERS = (1, 2)
_BEAM = ("--direct_num_workers=1",)


@dataclasses.dataclass(frozen=True)
class Spent:
    """What one run took.

    Attributes:
      wall: Seconds.
      cpu: Seconds of all threads of the process and of those it started and waited for.
    """

    wall: float
    cpu: float


def measure(run: Callable[[], Any]) -> Spent:
    """Runs something and says what it took."""
    wall, cpu = time.perf_counter(), _cpu_seconds()
    run()
    return Spent(time.perf_counter() - wall, _cpu_seconds() - cpu)


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def run_rounds(data_dir: str, count: int, rounds: int) -> tuple[list[dict], dict[str, float]]:
    """Measures all rounds.

    Returns:
      {engine/size: Spent} by round, and the largest relative difference by metric.
    """
    few = write_examples(os.path.join(data_dir, "few", "data.gz"), _FEW)
    many = write_examples(os.path.join(data_dir, "many", "data.gz"), count)
    model = write_model(data_dir, write_examples(os.path.join(data_dir, "t", "data.gz"), 2000, 2))
    config = text_format.Parse(EVAL_CONFIG, tfma.EvalConfig())
    found = []
    for number in range(rounds + 1):
        spent = {}
        for size, file in (("few", few), ("many", many)):
            sliced = SlicedEvaluation(
                config=config,
                model=model,
                baseline=None,
                files=[file],
                compression="GZIP",
                data_location=file,
            )
            if size == "many" and not number:
                continue
            paths = {e: os.path.join(data_dir, f"{e}_{size}_{number}") for e in ("runtime", "tfma")}
            runs = {
                "runtime": lambda s=sliced, p=paths: s.run(p["runtime"]),
                "tfma": lambda s=sliced, p=paths: run_tfma(s, p["tfma"], _BEAM),
            }
            for engine in sorted(runs, reverse=bool(number % 2)):
                spent[f"{engine}/{size}"] = measure(runs[engine])
                print(f"{engine}/{size}: {spent[f'{engine}/{size}']}", file=sys.stderr, flush=True)
        if number:
            spent |= run_workers(dataclasses.replace(sliced, files=[many] * _TIMES), data_dir)
        # In the first one modules are loaded and caches filled.
        if number:
            found.append(spent)
    resolved = sliced.resolved_config
    ours, theirs = (read_results(paths[e], resolved, None) for e in ("runtime", "tfma"))
    return found, compare(ours, theirs)


def run_workers(sliced: SlicedEvaluation, data_dir: str) -> dict[str, Spent]:
    """Measures the runtime with one worker and with several, and compares what they found.

    Raises:
      RuntimeError: If the number of workers made a difference.
    """
    spent, texts = {}, set()
    for workers in _WORKERS:
        path = os.path.join(data_dir, f"workers_{workers}")
        shared = dataclasses.replace(sliced, workers=workers)
        spent[f"workers{workers}/times"] = measure(lambda s=shared, p=path: s.run(p))
        print(f"workers={workers}: {spent[f'workers{workers}/times']}", file=sys.stderr, flush=True)
        texts.add(json.dumps(read_results(path, sliced.resolved_config, None).to_dict()))
    if len(texts) > 1:
        raise RuntimeError("The number of workers made a difference.")
    return spent


def compare(ours: Results, theirs: Results) -> dict[str, float]:
    """Returns the largest relative difference of each metric over all slices."""
    other = {found.name: found.values for found in theirs.slices}
    if {found.name for found in ours.slices} != set(other):
        raise RuntimeError("The engines found different slices.")
    worst: dict[str, float] = {}
    for found in ours.slices:
        for name, by_model in found.values.items():
            for model, value in by_model.items():
                expected = other[found.name][name][model].value
                scale = max(abs(expected), abs(value.value), 1e-30)
                worst[name] = max(worst.get(name, 0.0), abs(value.value - expected) / scale)
    return worst


def judge(rounds: list[dict], count: int) -> list[dict]:
    """Returns what was reached of both targets, by wall time and by CPU time."""
    judged = []
    for kind in ("wall", "cpu"):
        speed = [_ratio(r, kind, "many", invert=True) for r in rounds]
        start = [_ratio(r, kind, "few", invert=False) for r in rounds]
        judged.append(
            {
                "what": f"runtime / tfma, examples/s at {count:,} ({kind})",
                "target": f">= {_SPEED_TARGET:g}",
                "median": statistics.median(speed),
                "rounds": speed,
                "met": statistics.median(speed) >= _SPEED_TARGET,
            }
        )
        judged.append(
            {
                "what": f"runtime / tfma, time to the first result ({kind})",
                "target": f"<= {_START_TARGET:g}",
                "median": statistics.median(start),
                "rounds": start,
                "met": statistics.median(start) <= _START_TARGET,
            }
        )
    return judged


def _ratio(spent: dict[str, Spent], kind: str, size: str, *, invert: bool) -> float:
    ours, theirs = (getattr(spent[f"{engine}/{size}"], kind) for engine in ("runtime", "tfma"))
    return theirs / ours if invert else ours / theirs


def describe(rounds: list[dict], judged: list[dict], worst: dict[str, float], count: int) -> str:
    """Returns all as Markdown tables."""
    lines = ["| engine | first result, s (CPU) | all, s (CPU) | examples/s |", "|---|---|---|---|"]
    for engine in ("runtime", "tfma"):
        few, many = (
            Spent(
                statistics.median(r[f"{engine}/{size}"].wall for r in rounds),
                statistics.median(r[f"{engine}/{size}"].cpu for r in rounds),
            )
            for size in ("few", "many")
        )
        lines.append(
            f"| {engine} | {few.wall:.1f} ({few.cpu:.1f}) | {many.wall:.1f} ({many.cpu:.1f}) | "
            f"{count / many.wall:,.0f} |"
        )
    total = count * _TIMES
    lines += ["", f"| workers | {total:,} examples, s (CPU) | examples/s |", "|---|---|---|"]
    for workers in _WORKERS:
        wall, cpu = (
            statistics.median(getattr(r[f"workers{workers}/times"], kind) for r in rounds)
            for kind in ("wall", "cpu")
        )
        lines.append(f"| {workers} | {wall:.1f} ({cpu:.1f}) | {total / wall:,.0f} |")
    lines += ["", "| what | target | median (rounds) | |", "|---|---|---|---|"]
    for row in judged:
        spread = f"{row['median']:.2f} ({min(row['rounds']):.2f}-{max(row['rounds']):.2f})"
        met = "met" if row["met"] else "NOT MET"
        lines.append(f"| {row['what']} | {row['target']} | {spread} | {met} |")
    lines += ["", "| metric | largest relative difference |", "|---|---|"]
    lines += [f"| {name} | {value:.1e} |" for name, value in sorted(worst.items())]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measures, prints tables and writes the numbers; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=32768)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", default="build/benchmark_evaluator.json")
    parser.add_argument("--force", action="store_true", help="measure on a busy machine too")
    options = parser.parse_args(arguments)
    load = measure_load()
    print(f"Before: {load.describe()}", file=sys.stderr)
    if not load.is_quiet and not options.force:
        print("The machine is busy: numbers would mean nothing. Wait, or --force.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as data_dir:
        rounds, worst = run_rounds(data_dir, options.examples, options.rounds)
    judged = judge(rounds, options.examples)
    print(describe(rounds, judged, worst, options.examples))
    content = {
        "load": {"before": load.describe(), "forced": options.force},
        "rounds": [{k: dataclasses.asdict(v) for k, v in spent.items()} for spent in rounds],
        "targets": judged,
        "differences": worst,
    }
    os.makedirs(os.path.dirname(options.out) or ".", exist_ok=True)
    with open(options.out, "w", encoding="utf-8") as stream:
        json.dump(content, stream, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
