"""Recipes of Keras metrics that average a function of each example."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_model_analysis.utils.keras_lib import tf_keras

from .batch import Batch
from .pairs import Pairing, UnusualDataError
from .recipe import Recipe, stack
from .tfma_names import KerasCombiner, metric_types, model_util

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


def split_keras(computation: Any) -> list[Any]:
    """Takes apart what TFMA computes together: means by output, and all else.

    Args:
        computation: One of TFMA's; unless it is of several Keras metrics, it is returned as it is.
    """
    combiner = computation.combiner
    if type(combiner) is not KerasCombiner or combiner._sub_key_in_config:
        return [computation]
    combiner.setup()
    means: dict[str, list[int]] = {}
    others: dict[str, list[int]] = {}
    for output in combiner._output_names:
        for place, metric in enumerate(combiner._metrics[output]):
            chosen = others if _find_function(metric) is None else means
            chosen.setdefault(output, []).append(place)
    groups = [{output: places} for output, places in means.items()] + ([others] if others else [])
    if len(groups) == 1:
        return [computation]
    return [_choose_metrics(computation, group) for group in groups]


def _choose_metrics(computation: Any, chosen: Mapping[str, Sequence[int]]) -> Any:
    """Returns a computation of some of the metrics of one: their places by output."""
    combiner = computation.combiner
    metrics: dict[str, list[Any]] = {}
    losses: dict[str, list[Any]] = {}
    names = set()
    for number, output in enumerate(combiner._output_names):
        if output not in chosen:
            continue
        configs, others = combiner._metric_configs[number], combiner._loss_configs[number]
        # Losses stand behind the metrics.
        places = chosen[output]
        metrics[output] = [configs[place] for place in places if place < len(configs)]
        losses[output] = [others[p - len(configs)] for p in places if p >= len(configs)]
        names |= {(output, combiner._metrics[output][place].name) for place in places}
    part = KerasCombiner(
        metrics,
        losses,
        combiner._custom_objects,
        combiner._eval_config,
        combiner._model_name,
        combiner._sub_key,
        combiner._aggregation_type,
        combiner._class_weights,
        combiner._example_weighted,
        combiner._desired_batch_size,
    )
    keys = [k for k in computation.keys if (k.output_name, k.name.partition("/")[0]) in names]
    return metric_types.MetricComputation(
        keys=keys, preprocessors=computation.preprocessors, combiner=part
    )


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
