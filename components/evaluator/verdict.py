"""Decides in words whether a model is blessed, and writes the blessing."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

from tensorflow_model_analysis.proto import config_pb2, validation_result_pb2
from tfx import types

from .. import constants
from ..blessing import Verdict, write_verdict
from .words import describe_slice

# Longer texts say nothing more and make metadata hard to read.
_MAX_FAILURES = 20
_MARKER = {True: constants.BLESSED_FILE, False: constants.NOT_BLESSED_FILE}


def decide(
    metrics: Mapping[str, Mapping[str, Any]],
    validation: validation_result_pb2.ValidationResult | None,
    *,
    bless_without_thresholds: bool,
) -> Verdict:
    """Decides from the runtime's metrics and the result of the thresholds.

    Args:
        metrics: Metrics of the runtime by split; empty where there are none.
        validation: Result of the thresholds; None where none are configured.
        bless_without_thresholds: Whether a model without thresholds is blessed.
    """
    broken = _find_not_finite(metrics)
    if broken:
        return Verdict(blessed=False, reason=f"metrics are not finite: {'; '.join(broken)}")
    if validation is None:
        if bless_without_thresholds:
            return Verdict(
                blessed=True, reason="no thresholds configured; blessed as the component was told"
            )
        return Verdict(
            blessed=False,
            reason="no thresholds configured: give thresholds in `eval_config`, or "
            "`bless_without_thresholds=True`",
        )
    if validation.validation_ok:
        stamped = " (no baseline model: change thresholds were not applied)"
        return Verdict(
            blessed=True,
            reason="all thresholds passed" + (stamped if validation.rubber_stamp else ""),
        )
    failures = describe_failures(validation)
    shown = "; ".join(failures[:_MAX_FAILURES])
    more = len(failures) - _MAX_FAILURES
    return Verdict(blessed=False, reason=shown + (f"; and {more} more" if more > 0 else ""))


def override(verdict: Verdict, refusals: Sequence[str], forced: str | None) -> Verdict:
    """Lets what is no metric have its say: reasons against the model, and a person's word.

    Args:
        verdict: What the metrics say.
        refusals: Reasons in words for which the model is not blessed.
        forced: Why it is blessed all the same; None: it is not.
    """
    if refusals:
        words = list(refusals) if verdict.blessed else [*refusals, verdict.reason]
        verdict = Verdict(blessed=False, reason="; ".join(words))
    if forced is not None:
        would = "blessed" if verdict.blessed else "not blessed"
        reason = f"blessed by force: {forced} (without that {would}: {verdict.reason})"
        verdict = Verdict(blessed=True, reason=reason)
    return verdict


def describe_failures(validation: validation_result_pb2.ValidationResult) -> list[str]:
    """Says for each failed threshold which metric, slice, value and bound it was about."""
    if validation.missing_thresholds:
        return ["no thresholds configured for the metrics that were computed"]
    failures = []
    for sliced in validation.metric_validations_per_slice:
        where = describe_slice(sliced)
        failures += [_describe_failure(failure, where) for failure in sliced.failures]
    for missing in (*validation.missing_slices, *validation.missing_cross_slices):
        text = " ".join(str(missing).split())
        failures.append(f"a slice with a threshold has no examples: {text}")
    return failures or ["thresholds were not passed; see the validation result"]


def write_blessing(
    blessing: types.Artifact,
    verdict: Verdict,
    model: types.Artifact,
    baseline: types.Artifact | None,
    digest: str | None = None,
) -> None:
    """Writes the marker file and the properties that Pusher and Resolver read.

    Args:
        blessing: The ModelBlessing to write; what another wrote to it is replaced.
        verdict: The decision.
        model: The model it is about.
        baseline: The model it was compared with.
        digest: Digest of the model's bytes, so that the Pusher can tell them from others.
    """
    facts = {
        constants.CURRENT_MODEL_ID: model.id,
        constants.BASELINE_MODEL: baseline.uri if baseline else None,
        constants.BASELINE_MODEL_ID: baseline.id if baseline else None,
        constants.MODEL_DIGEST: digest,
    }
    write_verdict(blessing, verdict, model, _MARKER, facts)


def _find_not_finite(metrics: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        f"{name} on split {split} is {value}"
        for split, values in sorted(metrics.items())
        for name, value in sorted(values.items())
        if isinstance(value, numbers.Real) and not math.isfinite(value)
    ]


def _describe_failure(failure: validation_result_pb2.ValidationFailure, where: str) -> str:
    value = failure.metric_value.double_value.value
    if not failure.HasField("metric_value"):
        return f"{failure.metric_key.name} on {where} was not computed"
    bound = _describe_bound(failure.metric_threshold)
    shown = f"{value:.6g}"
    # A value just beside its bound must not look like it.
    if shown in bound.split():
        shown = repr(value)
    return f"{failure.metric_key.name} on {where} is {shown}, needed {bound}"


def _describe_bound(threshold: config_pb2.MetricThreshold) -> str:
    parts = []
    if threshold.HasField("value_threshold"):
        bounds = threshold.value_threshold
        if bounds.HasField("lower_bound"):
            parts.append(f">= {bounds.lower_bound.value:.6g}")
        if bounds.HasField("upper_bound"):
            parts.append(f"<= {bounds.upper_bound.value:.6g}")
    if threshold.HasField("change_threshold"):
        change = threshold.change_threshold
        lower = change.direction == config_pb2.MetricDirection.LOWER_IS_BETTER
        sign = "<=" if lower else ">="
        if change.HasField("absolute"):
            parts.append(f"a change {sign} {change.absolute.value:.6g} against the baseline")
        if change.HasField("relative"):
            parts.append(
                f"a relative change {sign} {change.relative.value:.6g} against the baseline"
            )
    return " and ".join(parts) or "another value"
