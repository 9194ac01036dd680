"""Compares one output of both graphs, a batch at a time."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.skew_check.example_rows import Row
from tfx_tpu_estimator.skew_check.report import OutputReport, WorstExample
from tfx_tpu_estimator.skew_check.tolerance import Tolerance

_KEPT = 3


class OutputComparison:
    """What is known so far of how an output differs.

    Args:
      name: Its key.
      dtype: Its type in {serve}.
      tpu_dtype: Its type in {serve, tpu}.
      tolerance: What is allowed.
    """

    def __init__(self, name: str, dtype: tf.DType, tpu_dtype: tf.DType, tolerance: Tolerance):
        self._name = name
        self._dtype = dtype
        self._tolerance = tolerance
        self._values = self._beyond = self._nan = 0
        self._absolute: float | None = None
        self._relative: float | None = None
        self._problems: dict[str, None] = {}
        # (how much of the tolerance, -number, example), the least first.
        self._worst: list[tuple[float, int, WorstExample]] = []
        if dtype != tpu_dtype:
            self._problems[
                f"is {dtype.name} in {{serve}} and {tpu_dtype.name} in {{serve, tpu}}."
            ] = None

    def add(self, serve: np.ndarray, tpu: np.ndarray, rows: Sequence[Row], padding: int) -> None:
        """Compares the values of one batch.

        Args:
          serve: Of {serve}.
          tpu: Of {serve, tpu}.
          rows: The examples.
          padding: How many more the graphs got; what they computed of these does not count.
        """
        serve, tpu = np.asarray(serve), np.asarray(tpu)
        if serve.shape != tpu.shape:
            self._problems[
                f"has shape {list(serve.shape)} in {{serve}} and {list(tpu.shape)} in "
                f"{{serve, tpu}}, for {len(rows) + padding} examples."
            ] = None
            return
        per_example = bool(serve.ndim) and serve.shape[0] == len(rows) + padding
        if per_example:
            serve, tpu = serve[: len(rows)], tpu[: len(rows)]
        self._values += serve.size
        if not serve.size:
            return
        texts = [_is_text(array) for array in (serve, tpu)]
        if all(texts):
            share = np.where(serve == tpu, 0.0, np.inf)
            absolute = relative = None
        elif any(texts):
            return  # of different types, which has been said
        else:
            absolute, relative, share = self._measure(serve, tpu)
            self._absolute = max(self._absolute or 0.0, float(absolute.max()))
            self._relative = max(self._relative or 0.0, float(relative.max()))
        self._beyond += int((share > 1).sum())
        self._keep_worst(serve, tpu, (absolute, relative, share), rows, per_example)

    def report(self) -> OutputReport:
        """Returns what was found."""
        worst = sorted(self._worst, key=lambda item: (-item[0], -item[1]))
        return OutputReport(
            name=self._name,
            dtype=self._dtype.name,
            tolerance=self._tolerance,
            values=self._values,
            beyond=self._beyond,
            max_absolute=self._absolute,
            max_relative=self._relative,
            nan_in_both=self._nan,
            worst=tuple(example for _, _, example in worst),
            problems=tuple(self._problems),
        )

    def _measure(self, serve: np.ndarray, tpu: np.ndarray) -> Any:
        """Returns absolute and relative differences, and these as part of what is allowed."""
        exact = serve.dtype.kind in "iub" and tpu.dtype.kind in "iub"
        equal = serve == tpu
        if exact and serve.dtype.itemsize == 8:  # float64 cannot tell neighbours apart
            absolute = np.abs(serve.astype(object) - tpu.astype(object)).astype(np.float64)
            size = np.abs(serve.astype(np.float64))
        else:
            wide = np.complex128 if "c" in serve.dtype.kind + tpu.dtype.kind else np.float64
            a, b = serve.astype(wide), tpu.astype(wide)
            both_nan = np.isnan(a) & np.isnan(b)
            self._nan += int(both_nan.sum())
            equal = equal | both_nan
            with np.errstate(invalid="ignore", over="ignore"):
                absolute = np.abs(a - b)
            # Where one is NaN or infinite and the other is not, or they are of other signs.
            absolute = np.where(np.isfinite(absolute), absolute, np.inf)
            size = np.where(np.isfinite(a), np.abs(a), 0.0)
        absolute = np.where(equal, 0.0, absolute)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            relative = np.where(equal, 0.0, absolute / size)
            given = self._tolerance
            allowed = given.absolute + given.relative * size + given.of_largest * size.max()
            share = np.where(equal, 0.0, absolute / allowed)
        return absolute, relative, share

    def _keep_worst(
        self,
        serve: np.ndarray,
        tpu: np.ndarray,
        measures: tuple[Any, Any, np.ndarray],
        rows: Sequence[Row],
        per_example: bool,
    ) -> None:
        """Remembers the value that differs most of each example that is among the worst."""
        absolute, relative, share = measures
        table = share.reshape(len(rows), -1) if per_example else share.reshape(1, -1)
        if not table.any():
            return
        most = table.max(axis=1)
        for number in np.argsort(-most, kind="stable")[:_KEPT]:
            if not most[number]:
                break
            position = int(table[number].argmax()) + int(number) * table.shape[1]
            index = np.unravel_index(position, share.shape)
            row = rows[int(number)]
            example = WorstExample(
                index=row.index,
                file=row.file,
                record=row.record,
                position=tuple(int(i) for i in index[1 if per_example else 0 :]),
                serve=_plain(serve[index]),
                tpu=_plain(tpu[index]),
                absolute=None if absolute is None else float(absolute[index]),
                relative=None if relative is None else float(relative[index]),
            )
            heapq.heappush(self._worst, (float(most[number]), -row.index, example))
            if len(self._worst) > _KEPT:
                heapq.heappop(self._worst)


def _is_text(array: np.ndarray) -> bool:
    return array.dtype.kind in "OSU"


def _plain(value: Any) -> Any:
    """Returns a value that JSON can hold."""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    if isinstance(value, str):
        return value
    value = np.asarray(value)
    if value.dtype.kind == "c":
        return str(complex(value))
    if value.dtype.kind in "iub":
        return value.item()
    # The shortest number that is this one in its own type: 0.1 rather than 0.10000000149.
    return float(str(value)) if value.dtype == np.float32 else float(value)
