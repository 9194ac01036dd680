"""Compares ways to train the same models: `make bench`, or `python benchmarks/run.py --help`.

Every contender lives in a process of its own, all at the same time; they run in turns, a round
each, in an order that changes from round to round. Ratios are taken within a round.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

import checkpoint_stall
from machine import measure_load
from report import describe_speeds, describe_targets, judge
from worker import CONTENDERS

HERE = pathlib.Path(__file__).resolve().parent
_ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TFX_TPU_ESTIMATOR_PROGRESS": "off",
    "TPU_SKIP_MDS_QUERY": "1",
}


class Worker:
    """The process of one contender.

    Args:
      name: The contender.
      python: The interpreter.
      data_dir: Where the cells' files are.
    """

    def __init__(self, name: str, python: str, data_dir: str):
        self.name = name
        environment = {**os.environ, **_ENVIRONMENT}
        if name != "old":
            environment["TF_USE_LEGACY_KERAS"] = "1"
        # Logs are shown only if it fails.
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed with the process
        self._process = subprocess.Popen(
            [python, str(HERE / "worker.py"), name, data_dir],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            text=True,
        )

    def run_round(self, cell: str) -> dict[str, float]:
        """Runs one round and waits for it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"cell": cell}), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise RuntimeError(f"Contender {self.name} failed:\n{self._log.read()[-3000:]}")
        return json.loads(line)

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()


def run_cells(
    workers: list[Worker], cells: list[str], rounds: int
) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Runs all rounds; returns what each contender said, by cell, contender and round."""
    results: dict[str, dict[str, list[dict[str, float]]]] = {}
    for cell in cells:
        by_contender: dict[str, list[dict[str, float]]] = {w.name: [] for w in workers}
        for number in range(rounds + 1):
            for worker in workers[number % len(workers) :] + workers[: number % len(workers)]:
                result = worker.run_round(cell)
                # In the first round things are built and compiled.
                if number:
                    by_contender[worker.name].append(result)
        results[cell] = by_contender
        print(f"{cell} done", file=sys.stderr)
    return results


def main(arguments: list[str] | None = None) -> int:
    """Measures, prints tables and writes the numbers; returns the exit code."""
    from cells import CELLS

    options = parse(arguments, [*(cell.name for cell in CELLS), checkpoint_stall.NAME])
    load = measure_load()
    print(f"Before: {load.describe()}", file=sys.stderr)
    if not load.is_quiet and not options.force:
        print("The machine is busy: numbers would mean nothing. Wait, or --force.", file=sys.stderr)
        return 2
    started = time.monotonic()
    cells = [cell for cell in options.cells if cell != checkpoint_stall.NAME]
    contenders = [c for c in options.contenders if c != "old" or options.old_python]
    with tempfile.TemporaryDirectory() as data_dir:
        for cell in CELLS:
            cell.write_files(data_dir)
        pythons = {"old": options.old_python}
        wanted = contenders if cells else []
        workers = [Worker(c, pythons.get(c, sys.executable), data_dir) for c in wanted]
        try:
            results = run_cells(workers, cells, options.rounds)
        finally:
            for worker in workers:
                worker.close()
    speeds = {
        cell: {c: [r["steps_per_second"] for r in rounds] for c, rounds in found.items()}
        for cell, found in results.items()
    }
    judged = judge(speeds)
    stall = measure_stall() if checkpoint_stall.NAME in options.cells else None
    if stall is not None:
        judged.append(checkpoint_stall.judge_stall(stall))
    print(describe_speeds(speeds), "\n\nMedian steps per second.\n")
    print(describe_targets(judged))
    after = {
        "load": {"before": load.describe(), "after": os.getloadavg()[0], "forced": options.force},
        "seconds": time.monotonic() - started,
    }
    numbers = {"results": results, "checkpoint stall": stall, "targets": judged}
    write_json(options.out, {**after, **numbers})
    return 0


def measure_stall() -> dict[str, list[float]]:
    """Runs checkpoint_stall.py in a process of its own."""
    done = subprocess.run(
        [sys.executable, str(HERE / "checkpoint_stall.py")],
        env={**os.environ, **_ENVIRONMENT, "TF_USE_LEGACY_KERAS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"The checkpoint stall was not measured:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout)


def parse(arguments: list[str] | None, cells: list[str]) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="build/benchmark.json", help="where the numbers go")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cells", nargs="+", default=cells, choices=cells)
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), choices=CONTENDERS)
    parser.add_argument("--old-python", help="interpreter with TensorFlow 2.15's estimator")
    parser.add_argument("--force", action="store_true", help="measure on a busy machine too")
    return parser.parse_args(arguments)


def write_json(path: str, content: dict[str, Any]) -> None:
    """Writes the numbers, and says where."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w", encoding="utf-8") as stream:
        json.dump(content, stream, indent=1)
    print(f"\nNumbers: {path}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
