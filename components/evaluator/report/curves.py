"""Points of calibration, ROC and precision-recall curves from a histogram of predictions."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..engine.recipes_matrices import Histogram

_BINS = 20
_POINTS = 200


@dataclasses.dataclass(frozen=True)
class Curves:
    """What is drawn of one model.

    Attributes:
        calibration: [n, 3]: mean prediction, mean label, weight; by prediction.
        roc: [n, 2]: false positive rate, true positive rate.
        precision_recall: [n, 2]: recall, precision.
        base_rate: Share of positives.
    """

    calibration: np.ndarray
    roc: np.ndarray
    precision_recall: np.ndarray
    base_rate: float


def make_curves(histogram: Histogram) -> Curves | None:
    """Returns the curves of a model; None where there is one class only, or no weight.

    Args:
        histogram: Of predictions in [0, 1] on all examples.
    """
    labels, predictions, weights = histogram.sums.T
    positive, negative = labels, weights - labels
    total_positive, total_negative = positive.sum(), negative.sum()
    if total_positive <= 0 or total_negative <= 0:
        return None
    # From the highest prediction down.
    above = np.cumsum(positive[::-1]), np.cumsum(negative[::-1])
    tpr, fpr = above[0] / total_positive, above[1] / total_negative
    precision = above[0] / np.maximum(above[0] + above[1], 1e-12)
    places = (histogram.ids - 1) / (histogram.width - 2)
    bins = np.clip((places * _BINS).astype(int), 0, _BINS - 1)
    return Curves(
        calibration=_bin(bins, predictions, labels, weights),
        roc=_thin(np.concatenate([[[0.0, 0.0]], np.stack([fpr, tpr], axis=1)])),
        precision_recall=_thin(np.stack([tpr, precision], axis=1)),
        base_rate=float(total_positive / (total_positive + total_negative)),
    )


def _bin(bins: np.ndarray, *columns: np.ndarray) -> np.ndarray:
    predictions, labels, weights = (np.bincount(bins, column, _BINS) for column in columns)
    kept = weights > 0
    weights = weights[kept]
    return np.stack([predictions[kept] / weights, labels[kept] / weights, weights], axis=1)


def _thin(points: np.ndarray) -> np.ndarray:
    """Keeps points at even distances along the curve, its ends among them."""
    if len(points) <= _POINTS:
        return points
    steps = np.abs(np.diff(points, axis=0)).sum(axis=1)
    way = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = np.linspace(0, way[-1], _POINTS)
    chosen = np.unique(np.searchsorted(way, wanted).clip(0, len(points) - 1))
    return points[chosen]


def list_points(points: np.ndarray) -> list[list[Any]]:
    """Returns points as rounded numbers."""
    return np.round(points, 6).tolist()
