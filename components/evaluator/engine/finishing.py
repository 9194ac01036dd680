"""From sums by slice to metrics, plots, comparisons and the validation, by TFMA's own rules."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from tensorflow_model_analysis.proto import config_pb2, validation_result_pb2

from .recipes_matrices import Histogram
from .tfma_names import (
    CombineValidations,
    binary_confusion_matrices,
    filter_by_key_type,
    is_diffable,
    is_private,
    metric_specs,
    metric_types,
    model_util,
    slicer_lib,
    validate_metrics,
)

Metrics = dict[Any, Any]
BySlice = dict[Any, Metrics]

_EPSILON = binary_confusion_matrices._EPSILON


@dataclasses.dataclass(frozen=True)
class Deriving:
    """Makes metrics of the sums: derived ones, across slices, and differences between models.

    Attributes:
        config: The EvalConfig with its defaults.
        derived: TFMA's derived computations, in order.
        across: Those between slices.
        with_intervals: Those of metrics with confidence intervals.
    """

    config: config_pb2.EvalConfig
    derived: list[Any]
    across: list[Any]
    with_intervals: list[Any]

    def derive(self, sums: BySlice) -> BySlice:
        """Returns all metrics of one sample, by slice and by pair of slices."""
        results = [_speed_up(computation) for computation in self.derived]
        found = {}
        for key, metrics in sums.items():
            found[key] = dict(metrics)
            # A slice of one class has an AUC of 0/0, which is NaN there and here.
            with np.errstate(all="ignore"):
                for result in results:
                    found[key].update(result(found[key]))
        found.update(self._compare_slices(found))
        baseline = model_util.get_baseline_model_spec(self.config)
        if baseline is not None:
            for metrics in found.values():
                metrics.update(_subtract_baseline(metrics, baseline.name))
        return found

    def choose_for_intervals(self, found: BySlice) -> BySlice:
        """Leaves out of a sample what no interval is asked for: intervals of matrices are slow."""
        if self.with_intervals:
            return found
        return {key: drop_private(metrics) for key, metrics in found.items()}

    def finish(self, metrics: Metrics) -> Metrics:
        """Adds what is made of intervals, and drops what nobody asked for."""
        metrics = dict(metrics)
        for computation in self.with_intervals:
            metrics.update(computation.result(metrics))
        return drop_private(metrics)

    def _compare_slices(self, found: BySlice) -> BySlice:
        pairs: BySlice = {}
        for spec in self.config.cross_slicing_specs:
            base = slicer_lib.SingleSliceSpec(spec=spec.baseline_spec)
            others = [slicer_lib.SingleSliceSpec(spec=other) for other in spec.slicing_specs]
            for first in filter(base.is_slice_applicable, found):
                for second in found:
                    if others:
                        wanted = any(other.is_slice_applicable(second) for other in others)
                    else:
                        wanted = not base.is_slice_applicable(second)
                    if wanted:
                        pairs[first, second] = self._compare(found[first], found[second])
        return pairs

    def _compare(self, base: Metrics, other: Metrics) -> Metrics:
        special = (metric_types.PlotKey, metric_types.AttributionsKey)
        result = {
            key: base[key] - value
            for key, value in other.items()
            if key in base and not is_private(key) and not isinstance(key, special)
        }
        for computation in self.across:
            result.update(computation.cross_slice_comparison(base, other))
        return result


def drop_private(metrics: Metrics) -> Metrics:
    """Returns metrics without those that others are made of."""
    return {key: value for key, value in metrics.items() if not is_private(key)}


def split_by_kind(found: Mapping[Any, Metrics]) -> tuple[BySlice, BySlice, BySlice]:
    """Returns metrics, plots and attributions, each by slice."""
    kinds = (metric_types.MetricKey, metric_types.PlotKey, metric_types.AttributionsKey)
    metrics, plots, attributions = (
        dict(filter_by_key_type(item, kind) for item in found.items()) for kind in kinds
    )
    return metrics, plots, attributions


def hide_small_slices(found: BySlice, counts: Mapping[Any, int], least: int) -> BySlice:
    """Replaces the metrics of slices of too few examples by a sentence.

    Args:
        found: Metrics by slice.
        counts: Examples by slice.
        least: `min_slice_size` of the EvalConfig.
    """
    message = (
        f"Example count for this slice key is lower than the minimum required value: {least}. No "
        "data is aggregated for this slice."
    )
    hidden = {metric_types.MetricKey("__ERROR__"): message}

    def is_shown(key: Any) -> bool:
        if slicer_lib.is_cross_slice_key(key):
            return all(is_shown(part) for part in key)
        return not key or counts[key] >= least

    return {key: metrics if is_shown(key) else dict(hidden) for key, metrics in found.items()}


def validate(
    metrics: BySlice, config: config_pb2.EvalConfig, *, rubber_stamp: bool
) -> validation_result_pb2.ValidationResult:
    """Checks all thresholds.

    Args:
        metrics: By slice and pair of slices.
        config: With the thresholds.
        rubber_stamp: Whether change thresholds were left out for want of a baseline.
    """
    combiner = CombineValidations(config, rubber_stamp=rubber_stamp)
    thresholds = metric_specs.metric_thresholds_from_metrics_specs(
        config.metrics_specs, eval_config=config
    )
    passed = validation_result_pb2.ValidationResult(validation_ok=True)
    accumulator = combiner.create_accumulator()
    for item in metrics.items():
        # TFMA makes every metric anew to validate a slice; most slices have no thresholds.
        result = validate_metrics(item, config) if _has_threshold(item, thresholds) else passed
        accumulator = combiner.add_input(accumulator, result)
    return combiner.extract_output(accumulator)


def _has_threshold(item: tuple[Any, Metrics], thresholds: Mapping[Any, Any]) -> bool:
    """Whether a threshold is for this slice, or for a metric that is missing."""
    key, metrics = item
    return any(
        metric not in metrics or any(_is_for(spec, key) for spec, _ in found)
        for metric, found in thresholds.items()
    )


def _is_for(spec: Any, key: Any) -> bool:
    if slicer_lib.is_cross_slice_key(key):
        across = isinstance(spec, config_pb2.CrossSlicingSpec)
        return across and slicer_lib.is_cross_slice_applicable(
            cross_slice_key=key, cross_slicing_spec=spec
        )
    if spec is None:
        return True
    within = isinstance(spec, config_pb2.SlicingSpec)
    return within and slicer_lib.SingleSliceSpec(spec=spec).is_slice_applicable(key)


def _subtract_baseline(metrics: Metrics, baseline: str) -> Metrics:
    differences = {}
    for key, value in metrics.items():
        if is_private(key) or key.is_diff or key.model_name == baseline:
            continue
        base = key.make_baseline_key(baseline)
        if base in metrics and is_diffable(value):
            differences[key.make_diff_key()] = value - metrics[base]
    return differences


def _speed_up(computation: Any) -> Callable[[Metrics], Metrics]:
    """Returns a computation's function, or one that is faster and gives the same.

    TFMA sorts a histogram's 10,000 buckets into an AUC's 10,000 thresholds one by one, 15 ms for
    each slice. Where its function is not recognised, it is called as it is.
    """
    if not inspect.isfunction(computation.result):
        return computation.result
    known = inspect.getclosurevars(computation.result).nonlocals
    names = {"use_histogram", "thresholds", "input_metric_key", "matrices_key"}
    if not names <= set(known) or not known["use_histogram"]:
        return computation.result
    thresholds, source, target = (
        known[name] for name in ("thresholds", "input_metric_key", "matrices_key")
    )
    if len(thresholds) < 2 or list(thresholds) != sorted(thresholds):
        return computation.result

    def result(metrics: Metrics) -> Metrics:
        histogram = metrics[source]
        if not isinstance(histogram, Histogram):
            return computation.result(metrics)
        return {target: _make_matrices(thresholds, histogram)}

    return result


def _make_matrices(thresholds: list[float], histogram: Histogram) -> Any:
    """Confusion matrices at thresholds of a histogram of predictions in [0, 1]."""
    count = 10000
    fences = [t + _EPSILON if t != 0 else t for t in thresholds]
    offset = int(thresholds[0] >= 0)
    if offset:
        fences = [-_EPSILON, *fences]
    if thresholds[-1] < 1.0:
        fences = [*fences, 1.0 + _EPSILON]
    starts = (histogram.ids - 1) / count
    starts = np.where(histogram.ids == 0, -np.inf, starts)
    starts = np.where(histogram.ids >= count + 1, np.inf, starts)
    places = np.maximum(np.searchsorted(fences, starts, side="right") - 1, 0)
    # Of no buckets at all these are integers.
    positive = np.bincount(places, histogram.sums[:, 0], len(fences)).astype(float)
    weights = np.bincount(places, histogram.sums[:, 2], len(fences)).astype(float)
    negative = weights - positive
    kept = slice(offset, offset + len(thresholds))
    tp, fp = (np.cumsum(part[::-1])[::-1][kept].copy() for part in (positive, negative))
    fn, tn = (
        np.concatenate([[0.0], np.cumsum(part)[:-1]])[kept].copy() for part in (positive, negative)
    )
    beyond = np.array(thresholds) >= 1.0 + _EPSILON
    tp_all, fp_all = tp[0], fp[0]
    tp[beyond], fp[beyond], fn[beyond], tn[beyond] = 0.0, 0.0, tp_all, fp_all
    return binary_confusion_matrices.Matrices(
        thresholds, tp.tolist(), tn.tolist(), fp.tolist(), fn.tolist()
    )
