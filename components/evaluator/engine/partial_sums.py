"""Sums of some of the examples, by slice and sample: what parts are made of and merged from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from .batch import Batch
from .computing import Computing, PartSums
from .plan import Plan
from .recipes_matrices import Histogram
from .samples import Place, Sampling, make_sampling
from .slicing import Membership, SliceKey, Slicer


@dataclasses.dataclass
class Partial:
    """What was added up so far. It can be sent to another process.

    Attributes:
        numbers: Number of each slice that was met.
        counts: [slices] examples.
        seen: The groups that have examples: a slice's groups are its samples.
        parts: Sums by computation.
        count: Number of examples.
    """

    numbers: dict[SliceKey, int]
    counts: np.ndarray
    seen: set[int]
    parts: list[PartSums]
    count: int = 0


class Adding:
    """Adds batches to partial sums, merges these, and reads them.

    Args:
        plan: What is computed.
    """

    def __init__(self, plan: Plan):
        self.computations = plan.make_computations()
        self.computing = Computing(self.computations.non_derived_computations)
        self.slicer = Slicer(plan.config)
        self.sampling: Sampling = make_sampling(plan.config)

    def start(self) -> Partial:
        """Returns sums of nothing."""
        return Partial({}, np.zeros([0], np.int64), set(), self.computing.start())

    def add(self, partial: Partial, place: Place, batch: Batch) -> None:
        """Adds a batch.

        Args:
            partial: The sums; changed.
            place: Where the batch stands, which decides the samples its examples are in.
            batch: The examples.
        """
        members = self.slicer.assign(batch.count, batch.columns, partial.numbers)
        counts = np.bincount(members.slices, minlength=len(partial.numbers))
        counts[: partial.counts.size] += partial.counts
        partial.counts = counts
        for rows, groups in self.sampling.draw(place, batch.count):
            rows_in, groups_in = _join(members, rows, groups, self.sampling.groups)
            partial.seen.update(np.unique(groups_in).tolist())
            self.computing.add(partial.parts, batch, rows_in, groups_in)
        partial.count += batch.count

    def merge(self, partial: Partial, other: Partial) -> None:
        """Adds the sums of other examples.

        Args:
            partial: The sums; changed.
            other: Those that are added; of no use afterwards.
        """
        numbers = partial.numbers
        slices = [numbers.setdefault(key, len(numbers)) for key in other.numbers]
        counts = np.zeros([len(numbers)], np.int64)
        counts[: partial.counts.size] += partial.counts
        counts[slices] += other.counts
        partial.counts = counts
        samples = np.arange(self.sampling.groups)
        groups = (np.array(slices, np.int64)[:, None] * samples.size + samples).reshape([-1])
        partial.seen.update(groups[sorted(other.seen)].tolist())
        self.computing.merge(partial.parts, other.parts, groups)
        partial.count += other.count

    def extract(self, partial: Partial, groups: Sequence[int]) -> dict[SliceKey, dict[Any, Any]]:
        """Returns the values of all keys by slice, over some of the samples together."""
        found = {}
        for key, number in partial.numbers.items():
            own = [number * self.sampling.groups + group for group in groups]
            if not partial.seen.isdisjoint(own):
                found[key] = self.computing.extract(partial.parts, own)
        return found

    def find_histograms(
        self, partial: Partial, width: int
    ) -> dict[tuple[str, int | None], Histogram]:
        """Returns the histograms over all examples that have this width.

        Returns:
            By name of the model, and the class that is looked at alone or None.
        """
        if () not in partial.numbers:
            return {}
        first = partial.numbers[()] * self.sampling.groups
        groups = [first + group for group in self.sampling.list_samples()[0]]
        return {
            (key.model_name, None if key.sub_key is None else key.sub_key.class_id): value
            for key, value in self.computing.extract(partial.parts, groups).items()
            if isinstance(value, Histogram)
            and (key.sub_key is None or key.sub_key.class_id is not None)
            and key.aggregation_type is None
            and not key.output_name
            and len(value.ids)
            and value.width == width
        }


def _join(
    members: Membership, rows: np.ndarray | None, groups: np.ndarray, group_count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Combines slices and groups: the rows, and the number of each one's group of its slice."""
    if rows is None:
        return members.rows, members.slices * group_count + groups[members.rows]
    # Rows are in order, some of them several times: so are their memberships.
    times = np.bincount(rows, minlength=len(members.rows) and int(members.rows.max()) + 1)
    repeated = np.repeat(np.arange(members.rows.size), times[members.rows])
    return members.rows[repeated], members.slices[repeated] * group_count + groups[:1]
