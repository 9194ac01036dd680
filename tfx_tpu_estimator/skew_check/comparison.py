"""Runs a skew check: reads, cuts, runs both graphs batch by batch, and reports."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.execution.pjrt import find_devices
from tfx_tpu_estimator.skew_check.batch_sizes import choose_batch_size
from tfx_tpu_estimator.skew_check.compare import OutputComparison
from tfx_tpu_estimator.skew_check.example_rows import Row, read_rows
from tfx_tpu_estimator.skew_check.feeds import make_feeds, validate_serialized
from tfx_tpu_estimator.skew_check.host_session import HostSession, keep_needed
from tfx_tpu_estimator.skew_check.programs import PartError
from tfx_tpu_estimator.skew_check.report import SignatureReport, SkewReport
from tfx_tpu_estimator.skew_check.saved_graphs import SERVE, SERVE_TPU, read_metagraphs
from tfx_tpu_estimator.skew_check.signatures import SignaturePair, pair_signatures
from tfx_tpu_estimator.skew_check.tensorflow_words import explain
from tfx_tpu_estimator.skew_check.tolerance import Tolerance, choose_tolerance, validate_tolerances
from tfx_tpu_estimator.skew_check.tpu_graph import TPUGraph

_SECONDS_BETWEEN_LINES = 2.0


def run_check(
    saved_model_dir: str,
    examples: Any,
    *,
    signatures: Sequence[str] | None,
    count: int | None,
    batch_size: int,
    data_format: str | None,
    tolerances: Mapping[str, Tolerance] | None,
    ignore: Sequence[str],
    platform: str | None,
    progress: Callable[[str], None] | None,
) -> SkewReport:
    """See `skew_check`."""
    _validate_positive("batch_size", batch_size)
    if count is not None:
        _validate_positive("count", count)
    for name, value in (("signatures", signatures), ("ignore", ignore)):
        if isinstance(value, str):
            raise ValueError(f"`{name}` must be a sequence of names; got {value!r}.")
    metagraphs = read_metagraphs(str(saved_model_dir))
    pairs = pair_signatures(metagraphs, signatures, ignore)
    tolerances = validate_tolerances(tolerances or {}, pairs)
    rows = read_rows(examples, count, data_format)
    first = list(itertools.islice(rows, 1))  # what cannot be read fails before any work
    tell = progress or (lambda line: None)
    tell(f"Loading {saved_model_dir}")
    with contextlib.ExitStack() as stack:
        serve, tpu = _load(stack, str(saved_model_dir), metagraphs, pairs, platform)
        checked = [_make_checked(pair, tpu, tolerances) for pair in pairs]
        size = choose_batch_size(batch_size, _list_fixed_sizes(pairs), tpu.batch_rules)
        run = _Run(serve, tpu, checked, tell)
        done = run.check(itertools.chain(first, rows), size, count)
        return SkewReport(
            saved_model=str(saved_model_dir),
            examples=done,
            batch_size=size,
            device=tpu.device_kind,
            signatures=tuple(c.report() for c in checked),
            programs=tuple(tpu.programs.reports),
            problems=_list_problems(checked, tpu),
        )


def _validate_positive(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"`{name}` must be an integer > 0; got {value!r}.")


@dataclasses.dataclass
class _Checked:
    """A signature while it is being checked."""

    pair: SignaturePair
    outputs: dict[str, OutputComparison]
    problems: list[str]
    notes: list[str]
    stopped: bool = False

    def report(self) -> SignatureReport:
        return SignatureReport(
            name=self.pair.name,
            outputs=tuple(output.report() for output in self.outputs.values()),
            problems=tuple(self.problems),
            notes=tuple(self.notes),
        )


def _load(
    stack: contextlib.ExitStack,
    directory: str,
    metagraphs: dict[frozenset[str], Any],
    pairs: list[SignaturePair],
    platform: str | None,
) -> tuple[HostSession, TPUGraph]:
    """Loads both graphs, which `stack` closes."""
    wanted = _list_tensors((p.outputs, p.serve_feeds, p.serve) for p in pairs)
    metagraph = metagraphs[SERVE]
    serve = HostSession(directory, metagraph, keep_needed(metagraph, wanted))
    stack.enter_context(contextlib.closing(serve))
    wanted = _list_tensors((p.outputs, p.tpu_feeds, p.tpu) for p in pairs)
    tpu = TPUGraph(directory, metagraphs[SERVE_TPU], wanted, find_devices(platform, 1))
    stack.enter_context(contextlib.closing(tpu))
    return serve, tpu


def _list_tensors(of: Iterable[tuple[Sequence[str], Mapping[str, str], Any]]) -> list[str]:
    """Returns the names of the tensors to feed and to fetch."""
    return [
        name
        for outputs, feeds, infos in of
        for name in (*feeds.values(), *(infos[key].name for key in outputs))
    ]


def _list_fixed_sizes(pairs: list[SignaturePair]) -> list[tuple[str, int]]:
    return [
        (f"{pair.name}/{spec.key}", spec.shape[0])
        for pair in pairs
        for spec in pair.inputs
        if spec.shape and spec.shape[0] is not None
    ]


def _make_checked(pair: SignaturePair, tpu: TPUGraph, given: Mapping[str, Tolerance]) -> _Checked:
    outputs = {}
    notes = list(pair.notes)
    on_tpu = False
    for key in pair.outputs:
        facts = tpu.inspect(pair.tpu[key].name)
        on_tpu |= facts.on_tpu
        notes += facts.notes
        serve_dtype, tpu_dtype = (tf.as_dtype(i[key].dtype) for i in (pair.serve, pair.tpu))
        tolerance = choose_tolerance(given, pair.name, key, serve_dtype.name, facts.in_bfloat16)
        outputs[key] = OutputComparison(key, serve_dtype, tpu_dtype, tolerance)
    if pair.outputs and not on_tpu:
        notes.append("nothing of it runs on a TPU; {serve, tpu} computes it on the host.")
    return _Checked(pair, outputs, list(pair.problems), list(dict.fromkeys(notes)))


def _list_problems(checked: list[_Checked], tpu: TPUGraph) -> tuple[str, ...]:
    compared = [c for c in checked if c.outputs]
    if not compared and not any(c.problems for c in checked):
        return ("No output was compared, so nothing is known.",)
    if not compared or tpu.programs.reports or any(c.stopped for c in compared):
        return ()
    return (
        "No TPU computation is reached by any signature of {serve, tpu}: a server with a TPU would "
        "compute everything on its CPU.",
    )


class _Run:
    """Runs both graphs.

    Args:
      serve: {serve}.
      tpu: {serve, tpu}.
      checked: The signatures; they are told what differs.
      tell: Gets lines about the progress.
    """

    def __init__(
        self,
        serve: HostSession,
        tpu: TPUGraph,
        checked: list[_Checked],
        tell: Callable[[str], None],
    ):
        self._serve = serve
        self._tpu = tpu
        self._checked = checked
        self._tell = tell

    def check(self, rows: Iterator[Row], size: int, count: int | None) -> int:
        """Runs both graphs on all examples; returns how many these were."""
        done, told = 0, time.monotonic()
        while batch := list(itertools.islice(rows, size)):
            done += self._run_batch(batch, size)
            if time.monotonic() - told > _SECONDS_BETWEEN_LINES:
                self._tell(f"{done} examples" + (f" of at most {count}" if count else ""))
                told = time.monotonic()
        self._tell(f"{done} examples done")
        return done

    def _run_batch(self, batch: list[Row], size: int) -> int:
        """Runs one batch, filled up with its last example so that its size does not change."""
        filled = batch + [batch[-1]] * (size - len(batch))
        groups: dict[tuple, list[_Checked]] = {}
        for checked in self._checked:
            if checked.pair.outputs and not checked.stopped:
                groups.setdefault(checked.pair.feed_key, []).append(checked)
        for group in groups.values():
            self._run_group(group, batch, filled)
        return len(batch)

    def _run_group(self, group: list[_Checked], batch: list[Row], filled: list[Row]) -> None:
        pair = group[0].pair
        values = make_feeds(pair.inputs, filled)
        try:
            serve = self._serve.run(
                {(c.pair.name, key): c.pair.serve[key].name for c in group for key in c.outputs},
                {pair.serve_feeds[key]: value for key, value in values.items()},
            )
        except tf.errors.InvalidArgumentError as error:
            validate_serialized(batch)
            raise ValueError(
                f"`examples` do not fit the signature {pair.name!r}; {{serve}} says: "
                f"{explain(error)}"
            ) from error
        feeds = {pair.tpu_feeds[key]: value for key, value in values.items()}
        tpu = self._run_tpu(group, feeds)
        for checked in group:
            for key, output in checked.outputs.items():
                if not checked.stopped:
                    name = (checked.pair.name, key)
                    output.add(serve[name], tpu[name], batch, len(filled) - len(batch))

    def _run_tpu(self, group: list[_Checked], feeds: dict[str, np.ndarray]) -> dict[Any, Any]:
        """Runs {serve, tpu}; signatures that cannot run are stopped and the others run again."""
        while running := [checked for checked in group if not checked.stopped]:
            fetches = {
                (c.pair.name, key): c.pair.tpu[key].name for c in running for key in c.outputs
            }
            try:
                return self._tpu.run(fetches, feeds, self._tell)
            except PartError as error:
                self._stop(running, str(error), error.part)
            except tf.errors.OpError as error:
                self._stop(running, f"{{serve, tpu}} fails: {explain(error)}", None)
        return {}

    def _stop(self, running: list[_Checked], reason: str, part: str | None) -> None:
        for checked in running:
            names = [checked.pair.tpu[key].name for key in checked.outputs]
            if part is None or any(part in self._tpu.inspect(name).parts for name in names):
                checked.problems.append(reason)
                checked.stopped = True
