"""Recipes of Keras metrics that average a function of each example."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_model_analysis.utils.keras_lib import tf_keras

from .batch import Batch
from .pairs import Pairing, UnusualDataError
from .recipe import Recipe, stack
from .tfma_names import KerasCombiner, model_util

Function = Callable[[np.ndarray, np.ndarray], np.ndarray]


class KerasRecipe(Recipe):
    """Sums of what each metric's function says of an example.

    Args:
        combiner: TFMA's combiner of Keras metrics, with one output.
        pairing: How it pairs.
        functions: (labels [m, a], predictions [m, b]) -> [m], one for each metric.
    """

    def __init__(self, combiner: Any, pairing: Pairing, functions: list[Function]):
        super().__init__(combiner, values=len(functions) + 1)
        self._pairing = pairing
        self._functions = functions

    def enter(self, batch: Batch) -> tuple[None, np.ndarray]:
        """See Recipe: weighted values of each metric, weights."""
        pairs = self._pairing.pair(batch)
        count = pairs.weights.shape[1]
        labels, predictions = pairs.labels, pairs.predictions
        if self._pairing.flatten:
            labels, predictions = labels.reshape([-1, 1]), predictions.reshape([-1, 1])
        columns = []
        for function in self._functions:
            values = function(labels, predictions)
            if values.size != pairs.weights.size:
                raise UnusualDataError("values of another shape")
            # Keras multiplies in 32 bits.
            values = values.reshape([-1, count]).astype(np.float32)
            columns.append(values * pairs.weights.astype(np.float32))
        return None, stack(*columns, pairs.weights)

    def accumulate(self, positions: np.ndarray, sums: np.ndarray) -> Any:
        """See Recipe."""
        accumulator = self.combiner.create_accumulator()
        weight = np.float32(sums[0, -1])
        for place, total in enumerate(sums[0, :-1]):
            accumulator.add_weights(0, place, [np.float32(total), weight])
        return accumulator


def make_keras_recipe(combiner: Any) -> Recipe | None:
    """Returns the recipe for a combiner of Keras metrics that all are means; else None."""
    if type(combiner) is not KerasCombiner or len(combiner._output_names) != 1:
        return None
    if combiner._sub_key_in_config or _pads(combiner):
        return None
    combiner.setup()
    output = combiner._output_names[0]
    functions = [_find_function(metric) for metric in combiner._metrics[output]]
    sub_key = combiner._sub_key
    if None in functions or (sub_key is not None and sub_key.class_id is None):
        return None
    aggregation = combiner._aggregation_type
    pairing = Pairing(
        model_name=combiner._model_name or "",
        output_name=output or "",
        class_id=None if sub_key is None else sub_key.class_id,
        class_weights=tuple((combiner._class_weights or {}).items()),
        weighted=bool(combiner._example_weighted),
        flatten=bool(aggregation and aggregation.micro_average),
    )
    if pairing.class_weights and not pairing.flatten:
        return None
    return KerasRecipe(combiner, pairing, [f for f in functions if f is not None])


def _pads(combiner: Any) -> bool:
    if combiner._eval_config is None:
        return False
    spec = model_util.get_model_spec(combiner._eval_config, combiner._model_name)
    return spec is not None and spec.HasField("padding_options")


def _find_function(metric: Any) -> Function | None:
    """Returns what a metric averages; None if it is no plain mean of a function of examples."""
    if type(metric) is tf_keras.metrics.RootMeanSquaredError:
        return _compute_squared_difference
    mean = tf_keras.metrics.MeanMetricWrapper
    # A class with an update of its own may do anything.
    if isinstance(metric, mean) and type(metric).update_state is mean.update_state:
        return _wrap_mean(metric)
    return None


def _wrap_mean(metric: Any) -> Function:
    def compute(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        true = tf.cast(labels, metric.dtype)
        predicted = tf.cast(predictions, metric.dtype)
        return np.asarray(metric._fn(true, predicted, **metric._fn_kwargs))

    return compute


def _compute_squared_difference(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    if labels.shape != predictions.shape or labels.shape[1] != 1:
        raise UnusualDataError("several values in each example")
    return (predictions.astype(np.float32) - labels.astype(np.float32)) ** 2
