"""All computations of an EvalConfig over all batches: recipes where there are, TFMA's code else."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from .batch import Batch
from .pairs import UnusualDataError
from .recipe import Recipe
from .recipes_keras import make_keras_recipe
from .recipes_matrices import make_matrix_recipe
from .recipes_totals import make_totals_recipe
from .sums import GroupSums
from .tfma_route import TfmaRoute

_logger = logging.getLogger(__name__)


def make_recipe(computation: Any) -> Recipe | None:
    """Returns the recipe for a computation of TFMA's; None where only TFMA can compute it."""
    combiner = computation.combiner
    makers = (make_totals_recipe, make_matrix_recipe, make_keras_recipe)
    return next((recipe for make in makers if (recipe := make(combiner)) is not None), None)


class Computing:
    """Adds up batches by group: a slice, or a sample of a slice.

    Args:
        computations: TFMA's computations, in the order that their results are put together.
    """

    def __init__(self, computations: Sequence[Any]):
        recipes = [make_recipe(computation) for computation in computations]
        self._parts = [
            _Part(computation, recipe)
            for computation, recipe in zip(computations, recipes, strict=True)
        ]

    @property
    def left_to_tfma(self) -> list[str]:
        """Names of the metrics that TFMA's own code computes."""
        parts = [part for part in self._parts if part.route is not None]
        return sorted({key.name for part in parts for key in part.computation.keys})

    def add(self, batch: Batch, rows: np.ndarray, groups: np.ndarray) -> None:
        """Adds examples to groups.

        Args:
            batch: The examples.
            rows: [m] places in the batch; an example may be added more than once.
            groups: [m] the group that each is added to.
        """
        for part in self._parts:
            part.add(batch, rows, groups)

    def extract(self, groups: Sequence[int]) -> dict[Any, Any]:
        """Returns the values of all keys, over some groups together."""
        result: dict[Any, Any] = {}
        # The mean of no examples is NaN.
        with np.errstate(all="ignore"):
            for part in self._parts:
                result.update(part.extract(list(groups)))
        return result


class _Part:
    """One computation, by its recipe as long as batches allow that."""

    def __init__(self, computation: Any, recipe: Recipe | None):
        self.computation = computation
        self.route = None if recipe else TfmaRoute([computation])
        self._recipe = recipe
        self._sums = GroupSums(recipe.width, recipe.values) if recipe else None

    def add(self, batch: Batch, rows: np.ndarray, groups: np.ndarray) -> None:
        if self.route is None:
            assert self._recipe is not None
            try:
                positions, values = self._enter(batch)
            except UnusualDataError as error:
                names = ", ".join(key.name for key in self.computation.keys)
                _logger.info("%s: left to TensorFlow Model Analysis (%s).", names, error)
                self.route = TfmaRoute([self.computation])
            else:
                self._add_entries(positions, values, rows, groups)
                return
        self.route.add(batch, rows, groups)

    def _enter(self, batch: Batch) -> tuple[np.ndarray | None, np.ndarray]:
        # Samples of one batch are added one after the other.
        if self not in batch.memo:
            batch.memo[self] = self._recipe.enter(batch)
        return batch.memo[self]

    def extract(self, groups: list[int]) -> dict[Any, Any]:
        if self._recipe is None:
            return self.route.extract(groups)
        positions, sums = self._sums.read(groups)
        if self.route is None:
            return self._recipe.extract(positions, sums)
        combiner = self.computation.combiner
        parts = [self._recipe.accumulate(positions, sums), *self.route.merge(groups)]
        return combiner.extract_output(combiner.merge_accumulators(parts))

    def _add_entries(
        self,
        positions: np.ndarray | None,
        values: np.ndarray,
        rows: np.ndarray,
        groups: np.ndarray,
    ) -> None:
        entries = values.shape[1]
        chosen = values[rows].reshape([-1, values.shape[2]])
        repeated = np.repeat(groups, entries) if entries > 1 else groups
        if positions is None:
            self._sums.add(repeated, np.zeros_like(repeated), chosen)
            return
        places = positions[rows].reshape([-1])
        seen = places >= 0
        if not seen.all():
            places, repeated, chosen = places[seen], repeated[seen], chosen[seen]
        self._sums.add(repeated, places, chosen)
