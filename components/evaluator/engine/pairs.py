"""Labels beside predictions for a whole batch, paired as TensorFlow Model Analysis pairs them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from .batch import Batch

# Outputs that are looked for, in this order, where no prediction key is given.
USUAL_OUTPUTS = (
    tf.saved_model.CLASSIFY_OUTPUT_SCORES,
    tf.saved_model.REGRESS_OUTPUTS,
    "predictions",
    "logistic",
    "probabilities",
    "logits",
)


class UnusualDataError(Exception):
    """A batch that only TensorFlow Model Analysis itself can take apart."""


class NotANumberError(ValueError):
    """A model that predicts NaN."""


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Labels, predictions and weights of a batch.

    Attributes:
        labels: [n, labels of an example].
        predictions: [n, predictions of an example].
        weights: [n, 1], or as `predictions` where pairs are flattened.
    """

    labels: np.ndarray
    predictions: np.ndarray
    weights: np.ndarray


@dataclasses.dataclass(frozen=True)
class Pairing:
    """How a combiner of TensorFlow Model Analysis wants labels and predictions.

    Attributes:
        model_name: The model; '' where there is one.
        output_name: The output of a model with several heads.
        class_id: The class that is looked at alone.
        class_weights: (class, weight) pairs, where classes are flattened.
        weighted: Whether example weights count.
        flatten: Whether each class counts as an example.
    """

    model_name: str
    output_name: str
    class_id: int | None
    class_weights: tuple[tuple[int, float], ...]
    weighted: bool
    flatten: bool

    @classmethod
    def of(cls, combiner: Any, key: Any, *, flatten: bool = True) -> Pairing | None:
        """Reads a combiner's settings; None where a batch cannot be paired that way.

        Args:
            combiner: A combiner of TensorFlow Model Analysis.
            key: The key of its metric.
            flatten: Whether it flattens.
        """
        sub_key = key.sub_key
        if sub_key is not None and (sub_key.k is not None or sub_key.top_k is not None):
            return None
        return cls(
            model_name=key.model_name or "",
            output_name=key.output_name or "",
            class_id=None if sub_key is None else sub_key.class_id,
            class_weights=tuple((combiner._class_weights or {}).items()),
            weighted=bool(combiner._example_weighted),
            flatten=flatten,
        )

    def pair(self, batch: Batch) -> Pairs:
        """Pairs up a batch.

        Raises:
            UnusualDataError: If labels, predictions or weights are of a form that is left to
                TensorFlow Model Analysis.
            NotANumberError: If a prediction is NaN.
        """
        if self not in batch.memo:
            batch.memo[self] = self._pair(batch)
        return batch.memo[self]

    def _pair(self, batch: Batch) -> Pairs:
        predictions = _to_matrix(self._find_predictions(batch))
        labels = _to_matrix(self._pick(batch.labels, self._spec(batch).label_key))
        weights = self.find_weights(batch)
        if predictions.dtype.kind not in "fiu" or labels.dtype.kind not in "fiub":
            raise UnusualDataError("text")
        missing = int(np.isnan(predictions).any(axis=1).sum())
        if missing:
            raise NotANumberError(
                f"the model predicts NaN for {missing} of {batch.count} examples of a batch"
            )
        if self.class_id is not None:
            labels, predictions = _select_class(self.class_id, labels, predictions)
        if not self.flatten:
            return Pairs(labels, predictions, weights)
        return self._flatten(labels, predictions, weights)

    def _flatten(self, labels: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> Pairs:
        if labels.shape != predictions.shape:
            labels = _one_hot(labels, predictions.shape[1])
        weights = np.repeat(weights.astype(np.float64), predictions.shape[1], axis=1)
        if self.class_weights:
            by_class = dict(self.class_weights)
            weights = weights * [by_class.get(c, 0.0) for c in range(predictions.shape[1])]
        return Pairs(labels, predictions, weights)

    def _spec(self, batch: Batch) -> Any:
        specs = batch.config.model_specs
        single = len(specs) == 1
        for spec in specs:
            if ("" if single else spec.name) == self.model_name:
                return spec
        raise UnusualDataError(f"no model {self.model_name!r}")

    def _find_predictions(self, batch: Batch) -> Any:
        found = batch.predictions
        for name in (self.model_name, self.output_name):
            if name:
                if not isinstance(found, Mapping) or name not in found:
                    raise UnusualDataError(name)
                found = found[name]
        if isinstance(found, Mapping):
            wanted = self._spec(batch).prediction_key
            names = [wanted] if wanted else [n for n in USUAL_OUTPUTS if n in found][:1]
            if not names or names[0] not in found:
                raise UnusualDataError("no prediction key")
            found = found[names[0]]
        return found

    def find_weights(self, batch: Batch) -> np.ndarray:
        """Returns [n, 1] weights: ones where they do not count or are not configured.

        Raises:
            UnusualDataError: If an example has other than one weight.
        """
        weights = self._pick(batch.weights, "") if self.weighted else None
        if weights is None:
            return np.ones([batch.count, 1], np.float32)
        matrix = _to_matrix(weights)
        if matrix.shape[1] != 1 or matrix.dtype.kind not in "fiu":
            raise UnusualDataError("weights")
        return matrix

    def _pick(self, value: Any, first: str) -> Any:
        for name in (first, self.model_name, self.output_name):
            if name and isinstance(value, Mapping) and name in value:
                value = value[name]
        return value


def _to_matrix(value: Any) -> np.ndarray:
    if not isinstance(value, np.ndarray) or value.ndim not in (1, 2) or not value.size:
        raise UnusualDataError("shape")
    return value.reshape([len(value), -1])


def _select_class(
    class_id: int, labels: np.ndarray, predictions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    if not 0 <= class_id < predictions.shape[1]:
        raise UnusualDataError("class id")
    chosen = predictions[:, class_id : class_id + 1]
    if labels.shape == predictions.shape:
        return labels[:, class_id : class_id + 1], chosen
    if labels.shape[1] != 1:
        raise UnusualDataError("labels")
    return (labels == class_id).astype(np.int64), chosen


def _one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    if labels.shape[1] != 1:
        raise UnusualDataError("labels")
    ids = labels[:, 0].astype(int)
    if ids.min() < -1 or ids.max() >= classes:
        raise UnusualDataError("label out of range")
    return (ids[:, None] == np.arange(classes)).astype(np.float64)
