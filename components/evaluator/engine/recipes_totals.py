"""Recipes of metrics that are sums, or a sum over another: counts, means, errors, entropies."""

from __future__ import annotations

from typing import Any

import numpy as np

from .batch import Batch
from .pairs import Pairing, UnusualDataError
from .recipe import Recipe, stack
from .tfma_names import (
    AbsoluteErrorCombiner,
    BinaryCrossEntropyCombiner,
    CategoricalCrossEntropyCombiner,
    CrossEntropyCombiner,
    ExampleCountCombiner,
    LogarithmicErrorCombiner,
    PercentageErrorCombiner,
    RegressionErrorCombiner,
    SquaredErrorCombiner,
    TotalsCombiner,
)


class CountRecipe(Recipe):
    """Number of examples, or the sum of their weights."""

    def __init__(self, combiner: Any):
        super().__init__(combiner, values=1)
        self._pick = Pairing(
            model_name=combiner._model_name or "",
            output_name=combiner._output_name or "",
            class_id=None,
            class_weights=(),
            weighted=bool(combiner._example_weighted),
            flatten=False,
        )

    def enter(self, batch: Batch) -> tuple[None, np.ndarray]:
        """See Recipe: the weights."""
        return None, stack(self._pick.find_weights(batch))

    def accumulate(self, positions: np.ndarray, sums: np.ndarray) -> float:
        """See Recipe."""
        return float(sums[:, 0].sum())


class TotalsRecipe(Recipe):
    """Sums of labels, predictions and weights: means and the calibration come from these."""

    def __init__(self, combiner: Any, pairing: Pairing):
        super().__init__(combiner, values=3)
        self._pairing = pairing

    def enter(self, batch: Batch) -> tuple[None, np.ndarray]:
        """See Recipe: weighted labels, weighted predictions, weights."""
        pairs = self._pairing.pair(batch)
        weights = pairs.weights
        labels, predictions = pairs.labels.astype(float), pairs.predictions.astype(float)
        return None, stack(labels * weights, predictions * weights, weights)

    def accumulate(self, positions: np.ndarray, sums: np.ndarray) -> Any:
        """See Recipe."""
        accumulator = self.combiner.create_accumulator()
        accumulator.total_weighted_labels = float(sums[0, 0])
        accumulator.total_weighted_predictions = float(sums[0, 1])
        accumulator.total_weighted_examples = float(sums[0, 2])
        return accumulator


class ErrorRecipe(Recipe):
    """The mean of an error of each pair: absolute, squared, of logarithms, in percent."""

    def __init__(self, combiner: Any, pairing: Pairing):
        super().__init__(combiner, values=2)
        self._pairing = pairing
        self._error = _ERRORS[type(combiner)]

    def enter(self, batch: Batch) -> tuple[None, np.ndarray]:
        """See Recipe: weighted errors, weights; pairs whose error is NaN do not count."""
        pairs = self._pairing.pair(batch)
        with np.errstate(all="ignore"):
            errors = self._error(pairs.labels, pairs.predictions)
        known = ~np.isnan(errors)
        weights = np.where(known, pairs.weights, 0.0)
        return None, stack(np.where(known, errors, 0.0) * weights, weights)

    def accumulate(self, positions: np.ndarray, sums: np.ndarray) -> Any:
        """See Recipe."""
        accumulator = self.combiner.create_accumulator()
        accumulator.total_regression_error = float(sums[0, 0])
        accumulator.total_example_weights = float(sums[0, 1])
        return accumulator


class CrossEntropyRecipe(Recipe):
    """The mean of an example's cross entropy, binary or of several classes."""

    def __init__(self, combiner: Any, pairing: Pairing):
        super().__init__(combiner, values=2)
        self._pairing = pairing
        self._is_binary = isinstance(combiner, BinaryCrossEntropyCombiner)

    def enter(self, batch: Batch) -> tuple[None, np.ndarray]:
        """See Recipe: weighted entropies, weights."""
        pairs = self._pairing.pair(batch)
        if pairs.labels.shape[1] not in (1, pairs.predictions.shape[1]):
            raise UnusualDataError("labels")
        compute = self._compute_binary if self._is_binary else self._compute_categorical
        with np.errstate(all="ignore"):
            entropy = compute(pairs.labels, pairs.predictions).astype(np.float64)
        weights = pairs.weights[:, 0].astype(np.float64)
        return None, stack((entropy * weights)[:, None], weights[:, None])

    def accumulate(self, positions: np.ndarray, sums: np.ndarray) -> Any:
        """See Recipe."""
        accumulator = self.combiner.create_accumulator()
        accumulator.total_cross_entropy = float(sums[0, 0])
        accumulator.total_example_weights = float(sums[0, 1])
        return accumulator

    def _compute_binary(self, labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        smoothing = self.combiner._label_smoothing
        labels = labels * (1.0 - smoothing) + 0.5 * smoothing
        if self.combiner._from_logits:
            tail = np.log1p(np.exp(-np.abs(predictions)))
            parts = np.maximum(predictions, 0) - predictions * labels + tail
        else:
            parts = -labels * np.log(predictions) - (1 - labels) * np.log(1 - predictions)
        return parts.mean(axis=1)

    def _compute_categorical(self, labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        smoothing = self.combiner._label_smoothing
        labels = labels * (1.0 - smoothing) + smoothing / predictions.shape[1]
        if self.combiner._from_logits:
            predictions = np.exp(predictions)
        shares = predictions / predictions.sum(axis=1, keepdims=True)
        if not (shares > 0).any(axis=1).all():
            raise UnusualDataError("no share above 0")
        # What has no logarithm is left out, as it is there.
        logs = np.where(shares > 0, np.log(np.where(shares > 0, shares, 1)), 0)
        return -(labels * logs).sum(axis=1)


def _compute_squared(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    difference = labels - predictions
    # By way of the root, in the type of the data: rounded as it is there.
    return np.sqrt(difference * difference).astype(np.float64) ** 2


def _compute_logarithmic(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    difference = np.log(labels + 1) - np.log(predictions + 1)
    return np.sqrt(difference * difference).astype(np.float64) ** 2


def _compute_percentage(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    share = np.absolute((labels - predictions) / labels).astype(np.float64)
    return np.where(labels == 0, np.nan, 100 * share)


_ERRORS = {
    AbsoluteErrorCombiner: lambda labels, predictions: np.absolute(labels - predictions),
    SquaredErrorCombiner: _compute_squared,
    PercentageErrorCombiner: _compute_percentage,
    LogarithmicErrorCombiner: _compute_logarithmic,
}


def make_totals_recipe(combiner: Any) -> Recipe | None:
    """Returns the recipe for a combiner; None where there is none here."""
    kind = type(combiner)
    if kind is ExampleCountCombiner:
        return CountRecipe(combiner)
    if kind is TotalsCombiner and (pairing := Pairing.of(combiner, combiner._key)):
        return TotalsRecipe(combiner, pairing)
    if kind in _ERRORS and isinstance(combiner, RegressionErrorCombiner):
        pairing = Pairing.of(combiner, combiner._metric_key)
        return ErrorRecipe(combiner, pairing) if pairing else None
    if kind in (BinaryCrossEntropyCombiner, CategoricalCrossEntropyCombiner):
        assert isinstance(combiner, CrossEntropyCombiner)
        pairing = Pairing.of(combiner, combiner._metric_key, flatten=False)
        # Weights by class need flattening, which these do not do.
        if pairing and not pairing.class_weights:
            return CrossEntropyRecipe(combiner, pairing)
    return None
