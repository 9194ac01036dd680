"""Artifacts and executions in a few words."""

from __future__ import annotations

import datetime

from tfx_tpu_estimator.components import constants

from .store import Artifact, Execution

_DIGESTS = (constants.MODEL_DIGEST, constants.MODULE_DIGEST, constants.TRAIN_DATA_DIGEST)
_FACTS = (
    constants.GLOBAL_STEP,
    constants.SEED,
    constants.REPLICAS,
    constants.TRAIN_BATCH_SIZE,
    constants.SERVING_TAG_SETS,
    "split_names",
    constants.BLESSED,
    constants.REASON,
    constants.PUSHED,
    constants.PUSHED_DESTINATION,
    constants.PUSHED_VERSION,
)


def describe_execution(execution: Execution) -> str:
    """Says which component made something, when, and in which run."""
    time = datetime.datetime.fromtimestamp(execution.time / 1000, datetime.timezone.utc)
    return (
        f"{execution.node}, execution {execution.id}, {execution.state.lower()}, "
        f"{time:%Y-%m-%d %H:%M:%S} UTC, pipeline {execution.pipeline or 'unknown'}"
        + (f", run {execution.run}" if execution.run else "")
    )


def describe_artifact(artifact: Artifact) -> list[str]:
    """Says what is worth knowing about an artifact, in a few lines."""
    lines = []
    facts = [f"{key} {artifact.get(key)}" for key in _FACTS if artifact.get(key) not in (None, "")]
    if facts:
        lines.append(", ".join(facts))
    metrics = [
        f"{key.removeprefix(constants.METRIC_PREFIX)} {value:.6g}"
        for key, value in sorted(artifact.custom_properties.items())
        if key.startswith(constants.METRIC_PREFIX) and isinstance(value, float)
    ]
    if metrics:
        lines.append("metrics: " + ", ".join(metrics[:8]) + (", ..." if len(metrics) > 8 else ""))
    digests = [f"{key} {artifact.get(key)[:12]}" for key in _DIGESTS if artifact.get(key)]
    if digests:
        lines.append(", ".join(digests))
    return lines
