"""Recipes of confusion matrices: AUC, precision, recall, binary accuracy and many more use them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from tensorflow_model_analysis.contrib.aggregates import binary_confusion_matrices as entries
from tensorflow_model_analysis.metrics import metric_util

from .batch import Batch
from .pairs import Pairing, Pairs, UnusualDataError
from .recipe import Recipe, stack
from .tfma_names import BinaryConfusionMatrixCombiner, CalibrationHistogramCombiner
from .tfma_names import calibration_histogram as histograms

_NEARLY = 1e-7


class Histogram(Sequence):
    """Buckets as TensorFlow Model Analysis has them, made only when somebody looks at them.

    Attributes:
        ids: [m] numbers of the buckets, in order.
        sums: [m, 3]: weighted labels, weighted predictions, weights.
        width: How many buckets there could be, with those at the ends.
    """

    def __init__(self, ids: np.ndarray, sums: np.ndarray, width: int):
        self.ids = ids
        self.sums = sums
        self.width = width

    @functools.cached_property
    def _buckets(self) -> list[Any]:
        rows = zip(self.ids.tolist(), *self.sums.T.tolist(), strict=True)
        return [histograms.Bucket(*row) for row in rows]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, place: Any) -> Any:
        return self._buckets[place]


class HistogramRecipe(Recipe):
    """Labels, predictions and weights summed up by bucket of prediction (or label)."""

    def __init__(self, combiner: Any, pairing: Pairing):
        super().__init__(combiner, width=combiner._num_buckets + 2, values=3)
        self._pairing = pairing

    def enter(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """See Recipe: weighted labels, weighted predictions, weights, by bucket."""
        settings = self.combiner
        pairs = self._pairing.pair(batch)
        if settings._fractional_labels:
            check_shares(pairs)
        labels, predictions = pairs.labels.astype(float), pairs.predictions.astype(float)
        weights = pairs.weights
        values = stack(labels * weights, predictions * weights, weights)
        place = predictions if settings._prediction_based_bucketing else labels
        return self._find_buckets(place, weights), values

    def accumulate(self, positions: np.ndarray, sums: np.ndarray) -> dict[int, Any]:
        """See Recipe."""
        return {bucket.bucket_id: bucket for bucket in Histogram(positions, sums, self.width)}

    def extract(self, positions: np.ndarray, sums: np.ndarray) -> dict[Any, Any]:
        """See Recipe."""
        return {self.combiner._key: Histogram(positions, sums, self.width)}

    def _find_buckets(self, place: np.ndarray, weights: np.ndarray) -> np.ndarray:
        count = self.combiner._num_buckets
        exact = (place - self.combiner._left) / self.combiner._range * count + 1
        buckets = np.clip(np.trunc(np.clip(exact, 0, count + 1)), 0, count + 1).astype(np.int64)
        if self.combiner._fractional_labels:
            # Examples of no weight are not seen there.
            buckets = np.where(weights == 0, -1, buckets)
        return buckets


class MatrixRecipe(Recipe):
    """Weights of positives and negatives by which thresholds a prediction is above."""

    def __init__(self, combiner: Any, pairing: Pairing):
        self._thresholds = list(combiner._binary_confusion_matrices._thresholds)
        self._sorted = np.unique(np.array(self._thresholds, np.float64))
        super().__init__(combiner, width=len(self._sorted) + 1, values=2)
        self._pairing = pairing
        self._fractional = combiner._enable_fractional_labels

    def enter(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """See Recipe: weights of positives, of negatives, by number of thresholds passed."""
        pairs = self._pairing.pair(batch)
        if self._fractional:
            check_shares(pairs)
            positive = pairs.labels.astype(float)
        else:
            positive = (pairs.labels > self._sorted[0]).astype(float)
        passed = np.searchsorted(self._sorted, pairs.predictions.astype(float), side="left")
        return passed, stack(pairs.weights * positive, pairs.weights * (1 - positive))

    def accumulate(self, positions: np.ndarray, sums: np.ndarray) -> dict[float, Any]:
        """See Recipe."""
        passed = np.zeros([self.width, 2])
        passed[positions] = sums
        below = np.cumsum(passed, axis=0)
        above = np.cumsum(passed[::-1], axis=0)[::-1]
        accumulator = {}
        for threshold in self._thresholds:
            place = int(np.searchsorted(self._sorted, threshold))
            (tp, fp), (fn, tn) = above[place + 1].tolist(), below[place].tolist()
            matrix = entries.Matrix(tp=tp, tn=tn, fp=fp, fn=fn)
            accumulator[threshold] = entries._ThresholdEntry(matrix, [], [], [], [])
        return accumulator


def check_shares(pairs: Pairs) -> None:
    """Leaves labels outside of [0, 1] to TensorFlow Model Analysis, which has an error for them.

    Raises:
        UnusualDataError: If there are any.
        ValueError: If a label is NaN.
    """
    missing = int(np.isnan(pairs.labels.astype(float)).any(axis=1).sum())
    if missing:
        raise ValueError(
            f"`examples`: the label is NaN for {missing} of {len(pairs.labels)} examples of a "
            "batch, which metrics of classes cannot count. Leave these examples out, or give them "
            "a label."
        )
    low, high = pairs.labels.min(), pairs.labels.max()
    if low < -_NEARLY or high > 1 + _NEARLY:
        raise UnusualDataError("label outside of [0, 1]")


def make_matrix_recipe(combiner: Any) -> Recipe | None:
    """Returns the recipe for a combiner; None where there is none here."""
    if type(combiner) is CalibrationHistogramCombiner:
        pairing = Pairing.of(combiner, combiner._key)
        return HistogramRecipe(combiner, pairing) if pairing else None
    if type(combiner) is not BinaryConfusionMatrixCombiner or combiner._example_id_key:
        return None
    usual = metric_util.to_label_prediction_example_weight
    if combiner._extract_label_prediction_and_weight is not usual:
        return None
    thresholds = combiner._binary_confusion_matrices._thresholds
    # Labels that are compared with the threshold, too, take one sum per threshold.
    if not combiner._enable_fractional_labels and len(thresholds) > 1:
        return None
    pairing = Pairing.of(combiner, combiner._key)
    return MatrixRecipe(combiner, pairing) if pairing and thresholds else None
