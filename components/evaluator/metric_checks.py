"""Checks that the metrics of an EvalConfig exist and take the settings they are given."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.utils.keras_lib import tf_keras

from tfx_tpu_estimator.suggestions import suggest

from .engine.tfma_names import metric_specs, metric_types

_KNOWN_MODULES = ("tensorflow_model_analysis", "tf_keras", "keras")


def check_metrics(config: config_pb2.EvalConfig, *, with_modules: bool = True) -> None:
    """Makes every metric once, which costs next to nothing.

    Args:
        config: The configuration of TensorFlow Model Analysis.
        with_modules: Whether metrics of the user's own modules are looked at, too; where a
            pipeline is put together these need not be installed.

    Raises:
        ValueError: If there is no such metric, or it does not take its settings; the message has
            the nearest name.
    """
    for metric in _list_metrics(config):
        if metric.module and not with_modules and not metric.module.startswith(_KNOWN_MODULES):
            continue
        try:
            metric_specs.metric_instance(metric)
        except ImportError as error:
            raise ValueError(
                f"`eval_config`: the module {metric.module!r} of the metric "
                f"{metric.class_name!r} cannot be imported: {error}."
            ) from error
        # Whoever makes a metric chooses what to raise.
        except Exception as error:
            raise ValueError(_explain(metric, error)) from error


def _list_metrics(config: config_pb2.EvalConfig) -> Iterable[config_pb2.MetricConfig]:
    for spec in config.metrics_specs:
        yield from spec.metrics


def _explain(metric: config_pb2.MetricConfig, error: Exception) -> str:
    name = metric.class_name
    if metric.module and isinstance(error, AttributeError):
        return f"`eval_config`: the module {metric.module!r} has no metric {name!r}."
    known = _list_names()
    if not metric.module and name not in known:
        return (
            f"`eval_config`: there is no metric {name!r}.{suggest(name, known)} `class_name` must "
            "be a metric of TensorFlow Model Analysis or of Keras; for one of your own give its "
            "`module`, too."
        )
    reason = str(error).strip().partition("\n")[0].removesuffix(".")
    settings = f" with the settings {metric.config}" if metric.config else ""
    return f"`eval_config`: the metric {name!r} cannot be made{settings}: {reason}."


def _list_names() -> set[str]:
    """Returns the names that need no module."""
    of_keras = {
        name
        for name, found in inspect.getmembers(tf_keras.metrics, inspect.isclass)
        if issubclass(found, tf_keras.metrics.Metric)
    }
    return of_keras | set(metric_types.registered_metrics())
