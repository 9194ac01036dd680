"""Reads results in TFMA's format into plain values, in an order that people like."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable
from typing import Any

from tensorflow_model_analysis.proto import config_pb2, metrics_for_slice_pb2, validation_result_pb2

from ..engine.tfma_names import metric_specs
from ..engine.tfma_names import metrics_plots_and_validations_writer as formats
from ..words import describe_slice

CANDIDATE = "candidate"
BASELINE = "baseline"
CHANGE = "change"
COUNT = "example_count"


@dataclasses.dataclass(frozen=True)
class Value:
    """One number.

    Attributes:
        value: It.
        low: Lower end of its confidence interval, or None.
        high: Upper end.
    """

    value: float
    low: float | None = None
    high: float | None = None


@dataclasses.dataclass(frozen=True)
class SliceResult:
    """The metrics of a slice, or of one slice against another.

    Attributes:
        name: The slice in words.
        is_overall: Whether it is all examples.
        values: {metric: {CANDIDATE, BASELINE or CHANGE: Value}}.
        error: Why there are no metrics, or None.
    """

    name: str
    is_overall: bool
    values: dict[str, dict[str, Value]]
    error: str | None = None


@dataclasses.dataclass(frozen=True)
class Results:
    """An evaluation's metrics.

    Attributes:
        slices: All examples first, then by name.
        metrics: Names of the metrics: the count of examples, those with thresholds, others; what
            is about all classes before what is about one.
        failures: (slice, metric) pairs whose threshold was not passed.
    """

    slices: list[SliceResult]
    metrics: list[str]
    failures: frozenset[tuple[str, str]]

    @property
    def has_baseline(self) -> bool:
        """Whether a baseline was evaluated, too."""
        return any(BASELINE in by for s in self.slices for by in s.values.values())

    def to_dict(self) -> dict[str, Any]:
        """Returns everything as JSON has it: what is no finite number is text."""
        return {
            "metrics": self.metrics,
            "slices": [
                {
                    "slice": found.name,
                    **({"error": found.error} if found.error else {}),
                    "metrics": {
                        name: {model: _encode(value) for model, value in by.items()}
                        for name, by in found.values.items()
                    },
                }
                for found in self.slices
            ],
        }


def read_results(
    path: str,
    config: config_pb2.EvalConfig,
    validation: validation_result_pb2.ValidationResult | None,
) -> Results:
    """Reads the metrics that an evaluation wrote.

    Args:
        path: The directory.
        config: The EvalConfig with its defaults.
        validation: Result of the thresholds, or None.
    """
    baseline = next((spec.name for spec in config.model_specs if spec.is_baseline), None)
    slices = [_read_slice(m, baseline) for m in formats.load_and_deserialize_metrics(path)]
    slices.sort(key=lambda found: (not found.is_overall, " against " in found.name, found.name))
    names = {name for found in slices for name in found.values}
    judged = _list_judged(config)
    return Results(
        slices=slices,
        metrics=sorted(
            names,
            key=lambda name: (
                not name.startswith(COUNT),
                name.partition(" (")[0] not in judged,
                " (" in name,
                name,
            ),
        ),
        failures=frozenset(_list_failures(validation)) if validation is not None else frozenset(),
    )


def _list_judged(config: config_pb2.EvalConfig) -> set[str]:
    """Returns the names of the metrics that have thresholds."""
    thresholds = metric_specs.metric_thresholds_from_metrics_specs(
        config.metrics_specs, eval_config=config
    )
    return {key.name for key in thresholds}


def _read_slice(
    message: metrics_for_slice_pb2.MetricsForSlice, baseline: str | None
) -> SliceResult:
    values: dict[str, dict[str, Value]] = {}
    error = None
    for item in message.metric_keys_and_values:
        if item.key.name == "__ERROR__":
            error = item.value.bytes_value.decode(errors="replace") or item.value.debug_message
        if item.value.WhichOneof("type") != "double_value":
            continue
        number = Value(item.value.double_value.value, *_read_interval(item))
        model = CHANGE if item.key.is_diff else CANDIDATE
        if baseline is not None and item.key.model_name == baseline:
            model = BASELINE
        values.setdefault(describe_metric(item.key), {})[model] = number
    is_pair = message.HasField("cross_slice_key")
    return SliceResult(
        name=describe_slice(message),
        is_overall=not is_pair and not message.slice_key.single_slice_keys,
        values=values,
        error=error,
    )


def _read_interval(item: Any) -> tuple[float | None, float | None]:
    if not item.HasField("confidence_interval"):
        return None, None
    interval = item.confidence_interval
    return interval.lower_bound.double_value.value, interval.upper_bound.double_value.value


def describe_metric(key: metrics_for_slice_pb2.MetricKey) -> str:
    """Returns a metric's name with the output and the class that it is about."""
    about = [key.output_name] if key.output_name else []
    for name, words in (("class_id", "class"), ("k", "rank"), ("top_k", "top")):
        if key.sub_key.HasField(name):
            about.append(f"{words} {getattr(key.sub_key, name).value}")
    kind = key.aggregation_type
    about += [field.name.replace("_", " ") for field, value in kind.ListFields() if value is True]
    return f"{key.name} ({', '.join(about)})" if about else key.name


def _list_failures(
    validation: validation_result_pb2.ValidationResult,
) -> Iterable[tuple[str, str]]:
    for sliced in validation.metric_validations_per_slice:
        for failure in sliced.failures:
            yield describe_slice(sliced), describe_metric(failure.metric_key)


def _encode(value: Value) -> Any:
    parts = {"value": value.value, "low": value.low, "high": value.high}
    encoded = {
        name: number if math.isfinite(number) else str(number)
        for name, number in parts.items()
        if number is not None
    }
    return encoded if len(encoded) > 1 else encoded["value"]


def to_json(results: Results, **more: Any) -> str:
    """Returns results, and what is given beside them, as JSON."""
    return json.dumps({**more, **results.to_dict()}, indent=2, allow_nan=False)
