"""Keras metric objects among a spec's metrics, turned into the pair every other metric is."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

_COLLECTIONS = (
    tf.compat.v1.GraphKeys.LOCAL_VARIABLES,
    tf.compat.v1.GraphKeys.METRIC_VARIABLES,
)


def is_keras_metric(value: Any) -> bool:
    """Tells whether a value is a metric object of Keras 2, without importing Keras.

    Args:
        value: anything.

    Returns:
        Whether it can be given to `convert_keras_metric`.
    """
    return all(hasattr(value, name) for name in ("result", "update_state", "updates", "variables"))


def convert_keras_metric(metric: Any, name: str) -> tuple[tf.Tensor, tf.Operation]:
    """Converts a metric that was updated in the default graph.

    Its variables join those that an evaluation initialises at its start: Keras itself puts them
    into no collection.

    Args:
        metric: a Keras 2 metric whose update_state was called.
        name: the metric's name, for the message.

    Returns:
        The pair (metric_value, update_op).

    Raises:
        ValueError: if update_state was not called.
    """
    updates = list(metric.updates)
    if not updates:
        raise ValueError(
            f"eval_metric_ops[{name}] is a Keras metric that was never updated; call "
            "metric.update_state(labels, predictions) in the model_fn."
        )
    for collection in _COLLECTIONS:
        known = {id(variable) for variable in tf.compat.v1.get_collection(collection)}
        for variable in metric.variables:
            if id(variable) not in known:
                tf.compat.v1.add_to_collection(collection, variable)
    return metric.result(), tf.group(*updates)
