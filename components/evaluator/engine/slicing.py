"""Which examples of a batch belong to which slices."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from tensorflow_model_analysis.proto import config_pb2

from .tfma_names import slicer_lib

SliceKey = tuple[tuple[str, Any], ...]


@dataclasses.dataclass(frozen=True)
class Membership:
    """Pairs of an example and a slice that it is in.

    Attributes:
        rows: [m] int64, the example's place in the batch.
        slices: [m] int64, the slice's number.
    """

    rows: np.ndarray
    slices: np.ndarray


class Slicer:
    """Says what examples are in which slices.

    Args:
        config: Its slicing specs, and those of its comparisons across slices.
    """

    def __init__(self, config: config_pb2.EvalConfig):
        protos = list(config.slicing_specs)
        for cross in config.cross_slicing_specs:
            protos += [cross.baseline_spec, *cross.slicing_specs]
        specs = [slicer_lib.SingleSliceSpec(spec=proto) for proto in protos]
        self._specs = list(dict.fromkeys(specs)) or [slicer_lib.SingleSliceSpec()]
        names = [frozenset(_list_columns(spec)) for spec in self._specs]
        self.columns = sorted(frozenset().union(*names))
        # Only specs of the same features can lead to one slice twice.
        self._may_repeat = len(set(names)) < len(names)

    def assign(
        self, count: int, features: Mapping[str, pa.Array], numbers: dict[SliceKey, int]
    ) -> Membership:
        """Finds the slices of a batch.

        Args:
            count: Examples in the batch.
            features: The columns named in `columns`, as lists per example; those that no example
                has may be left out.
            numbers: Number of each slice that was met; slices met for the first time are added.
        """
        columns = {name: _Column.read(name, features.get(name), count) for name in self.columns}
        parts = [self._assign_one(spec, count, columns, numbers) for spec in self._specs]
        rows = np.concatenate([part.rows for part in parts])
        slices = np.concatenate([part.slices for part in parts])
        if self._may_repeat:
            size = len(numbers) or 1
            pairs = np.unique(rows * size + slices)
            rows, slices = pairs // size, pairs % size
        return Membership(rows, slices)

    def _assign_one(
        self, spec, count: int, columns: Mapping[str, _Column], numbers: dict[SliceKey, int]
    ) -> Membership:
        rows = np.arange(count)
        for name, value in spec._features:
            rows = rows[columns[name].has(value)[rows]]
        chosen: list[tuple[_Column, np.ndarray]] = []
        for name in sorted(spec._columns):
            column = columns[name]
            kept, values = column.expand(rows)
            chosen = [(other, codes[kept]) for other, codes in chosen]
            rows = rows[kept]
            chosen.append((column, values))
        return Membership(rows, _number(spec, rows.size, chosen, numbers))


@dataclasses.dataclass(frozen=True)
class _Column:
    """Distinct values of a feature by example.

    Attributes:
        name: The feature.
        values: Distinct values of the batch, as slice keys hold them.
        raw: The same, as examples hold them.
        codes: [n] places in `values`, ordered by example; no example has one twice.
        starts: [count + 1] where each example's codes start.
    """

    name: str
    values: list[Any]
    raw: list[Any]
    codes: np.ndarray
    starts: np.ndarray

    @classmethod
    def read(cls, name: str, lists: pa.Array | None, count: int) -> _Column:
        if lists is None or pa.types.is_null(lists.type):
            return cls(name, [], [], np.zeros([0], np.int64), np.zeros([count + 1], np.int64))
        lengths = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
        flat = lists.flatten().dictionary_encode()
        raw = flat.dictionary.to_pylist()
        pairs = np.repeat(np.arange(count), lengths) * max(len(raw), 1)
        pairs = pairs + flat.indices.to_numpy(zero_copy_only=False)
        if lengths.size and lengths.max() > 1:
            pairs = np.unique(pairs)
        rows, codes = np.divmod(pairs, max(len(raw), 1))
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=count))])
        return cls(name, [_to_key(name, value) for value in raw], raw, codes, starts)

    def has(self, value: Any) -> np.ndarray:
        """Returns [count] bool: whether an example has `value`."""
        wanted = np.array([_is_same(value, raw) for raw in self.raw], bool)
        hits = wanted[self.codes] if self.raw else np.zeros([0], bool)
        totals = np.concatenate([[0], np.cumsum(hits)])
        return totals[self.starts[1:]] > totals[self.starts[:-1]]

    def expand(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns for each value of each of `rows`: the place in `rows`, and the value's code."""
        starts, counts = self.starts[rows], np.diff(self.starts)[rows]
        kept = np.repeat(np.arange(rows.size), counts)
        within = np.arange(kept.size) - np.repeat(np.cumsum(counts) - counts, counts)
        return kept, self.codes[np.repeat(starts, counts) + within]


def _number(
    spec,
    count: int,
    chosen: Sequence[tuple[_Column, np.ndarray]],
    numbers: dict[SliceKey, int],
) -> np.ndarray:
    """Returns the slice numbers for rows whose values are known as codes by column."""
    combined = np.zeros([count], np.int64)
    for column, codes in chosen:
        combined = combined * len(column.values) + codes
    found, first, inverse = np.unique(combined, return_index=True, return_inverse=True)
    own = np.empty([found.size], np.int64)
    for place, row in enumerate(first):
        pairs = [(column.name, column.values[codes[row]]) for column, codes in chosen]
        key = tuple(sorted([*spec._value_matches, *pairs]))
        own[place] = numbers.setdefault(key, len(numbers))
    return own[inverse]


def _list_columns(spec) -> list[str]:
    return [*spec._columns, *(name for name, _ in spec._features)]


def _to_key(name: str, value: Any) -> Any:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"`eval_config`: examples are sliced by {name!r}, which has the value {value!r}; "
            "slices need values that are UTF-8. Slice by another feature."
        ) from error


def _is_same(wanted: Any, raw: Any) -> bool:
    """Compares a value of an EvalConfig, where numbers are numbers, with one of an example."""
    return wanted == raw or (isinstance(wanted, str) and wanted.encode() == raw)
