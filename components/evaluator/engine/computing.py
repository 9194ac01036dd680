"""All computations of an EvalConfig over batches: recipes where there are, TFMA's code else."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from .batch import Batch
from .pairs import UnusualDataError
from .recipe import Recipe
from .recipes_keras import make_keras_recipe, split_keras
from .recipes_matrices import make_matrix_recipe
from .recipes_totals import make_totals_recipe
from .sums import GroupSums
from .tfma_names import metric_types
from .tfma_route import Accumulators, TfmaRoute, list_names

_logger = logging.getLogger(__name__)


def make_recipe(computation: Any) -> Recipe | None:
    """Returns the recipe for a computation of TFMA's; None where only TFMA can compute it."""
    standard = metric_types.StandardMetricInputsPreprocessor
    # Others change labels or predictions before they are counted.
    if any(type(preprocessor) is not standard for preprocessor in computation.preprocessors or ()):
        return None
    combiner = computation.combiner
    makers = (make_totals_recipe, make_matrix_recipe, make_keras_recipe)
    return next((recipe for make in makers if (recipe := make(combiner)) is not None), None)


@dataclasses.dataclass
class PartSums:
    """What one computation added up.

    Attributes:
        sums: By its recipe; None where there is none.
        accumulators: By TFMA's own code; None as long as that was not needed.
    """

    sums: GroupSums | None
    accumulators: Accumulators | None


class Computing:
    """Adds up batches by group: a slice, or a sample of a slice.

    It holds no sums: these are made by `start`, can be sent to another process and merged there.

    Args:
        computations: TFMA's computations, in the order that their results are put together.
    """

    def __init__(self, computations: Sequence[Any]):
        self._parts = [_Part(part) for whole in computations for part in split_keras(whole)]

    def list_without_recipe(self) -> list[Any]:
        """Returns the computations that only TFMA's own code can make."""
        return [part.computation for part in self._parts if part.recipe is None]

    def list_left(self, found: Sequence[PartSums]) -> list[str]:
        """Returns the names of the metrics that TFMA's own code computed at least a part of."""
        parts = zip(self._parts, found, strict=True)
        return list_names(part.computation for part, sums in parts if sums.accumulators is not None)

    def start(self) -> list[PartSums]:
        """Returns sums of nothing."""
        return [part.start() for part in self._parts]

    def add(
        self, found: Sequence[PartSums], batch: Batch, rows: np.ndarray, groups: np.ndarray
    ) -> None:
        """Adds examples to groups.

        Args:
            found: The sums; changed.
            batch: The examples.
            rows: [m] places in the batch; an example may be added more than once.
            groups: [m] the group that each is added to.
        """
        for part, sums in zip(self._parts, found, strict=True):
            part.add(sums, batch, rows, groups)

    def merge(
        self, found: Sequence[PartSums], other: Sequence[PartSums], groups: np.ndarray
    ) -> None:
        """Adds the sums of other examples.

        Args:
            found: The sums; changed.
            other: Those that are added; of no use afterwards.
            groups: [m] the group here of each group there.
        """
        for part, sums, more in zip(self._parts, found, other, strict=True):
            part.merge(sums, more, groups)

    def extract(self, found: Sequence[PartSums], groups: Sequence[int]) -> dict[Any, Any]:
        """Returns the values of all keys, over some groups together."""
        result: dict[Any, Any] = {}
        # The mean of no examples is NaN.
        with np.errstate(all="ignore"):
            for part, sums in zip(self._parts, found, strict=True):
                result.update(part.extract(sums, list(groups)))
        return result


class _Part:
    """One computation, by its recipe as long as batches allow that."""

    def __init__(self, computation: Any):
        self.computation = computation
        self.recipe = make_recipe(computation)

    @functools.cached_property
    def _route(self) -> TfmaRoute:
        return TfmaRoute([self.computation])

    def start(self) -> PartSums:
        if self.recipe is None:
            return PartSums(None, {})
        return PartSums(GroupSums(self.recipe.width, self.recipe.values), None)

    def add(self, found: PartSums, batch: Batch, rows: np.ndarray, groups: np.ndarray) -> None:
        if found.accumulators is None:
            assert found.sums is not None
            try:
                positions, values = self._enter(batch)
            except UnusualDataError as error:
                names = ", ".join(list_names([self.computation]))
                _logger.info("%s: left to TensorFlow Model Analysis (%s).", names, error)
                found.accumulators = {}
            else:
                _add_entries(found.sums, positions, values, rows, groups)
                return
        self._route.add(found.accumulators, batch, rows, groups)

    def merge(self, found: PartSums, other: PartSums, groups: np.ndarray) -> None:
        if found.sums is not None and other.sums is not None:
            found.sums.merge(other.sums, groups)
        if other.accumulators is not None:
            if found.accumulators is None:
                found.accumulators = {}
            self._route.merge(found.accumulators, other.accumulators, groups)

    def extract(self, found: PartSums, groups: list[int]) -> dict[Any, Any]:
        if self.recipe is None or found.sums is None:
            return self._route.extract(found.accumulators or {}, groups)
        positions, sums = found.sums.read(groups)
        if found.accumulators is None:
            return self.recipe.extract(positions, sums)
        combiner = self.computation.combiner
        parts = [
            self.recipe.accumulate(positions, sums),
            *self._route.unite(found.accumulators, groups),
        ]
        return combiner.extract_output(combiner.merge_accumulators(parts))

    def _enter(self, batch: Batch) -> tuple[np.ndarray | None, np.ndarray]:
        # Samples of one batch are added one after the other.
        if self not in batch.memo:
            assert self.recipe is not None
            batch.memo[self] = self.recipe.enter(batch)
        return batch.memo[self]


def _add_entries(
    sums: GroupSums,
    positions: np.ndarray | None,
    values: np.ndarray,
    rows: np.ndarray,
    groups: np.ndarray,
) -> None:
    entries = values.shape[1]
    chosen = values[rows].reshape([-1, values.shape[2]])
    repeated = np.repeat(groups, entries) if entries > 1 else groups
    if positions is None:
        sums.add(repeated, np.zeros_like(repeated), chosen)
        return
    places = positions[rows].reshape([-1])
    seen = places >= 0
    if not seen.all():
        places, repeated, chosen = places[seen], repeated[seen], chosen[seen]
    sums.add(repeated, places, chosen)
