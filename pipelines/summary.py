"""A short summary of a pipeline run for people."""

from __future__ import annotations

import math
import os
import shlex
import sys
from typing import Any

from tfx_tpu_estimator.components import constants
from tfx_tpu_estimator.components.evaluator.report.writing import PAGE_FILE

from .config import PipelineConfig
from .metadata_store import hide_password
from .report import RunReport

_EVALUATOR = "Evaluator"
_PUSHER = "Pusher"


def describe(report: RunReport, config: PipelineConfig, seconds: float) -> str:
    """Returns what the run did, in some 20 lines of text.

    Args:
      report: Of `read_latest_run`.
      config: What was run.
      seconds: How long it took.
    """
    replicas = report.artifacts.get("Model", {}).get(constants.REPLICAS, 1)
    sharded = f" The model was trained over {replicas} cores." if replicas > 1 else ""
    lines = ["", f"Pipeline {config.name!r} finished in {seconds:.0f} s.{sharded}", ""]
    lines += _describe_nodes(report)
    lines += _describe_metrics(report)
    lines += _describe_slices(report)
    lines += _describe_outcome(report, config)
    return "\n".join(lines)


def _describe_nodes(report: RunReport) -> list[str]:
    cached = [node for node, state in report.nodes.items() if state == "CACHED"]
    if not cached:
        return []
    return [f"  From the cache (nothing they depend on has changed): {', '.join(cached)}", ""]


def _describe_metrics(report: RunReport) -> list[str]:
    metrics = report.metrics
    if not metrics:
        return []
    baselines = _baselines(metrics)
    lines = ["  Metrics on the evaluation split"]
    for name, value in sorted(metrics.items()):
        beside = f"   (constant baseline {baselines[name]:.4f})" if name in baselines else ""
        lines.append(f"    {name:<24}{value:>10.4f}{beside}")
    return [*lines, ""]


def _baselines(metrics: dict[str, float]) -> dict[str, float]:
    """What a model that always predicts the label's frequency would get."""
    baselines = {}
    if "auc" in metrics:
        # A constant score ranks nothing.
        baselines["auc"] = 0.5
    mean = metrics.get("label/mean")
    if mean is not None and 0 < mean < 1:
        baselines["accuracy"] = max(mean, 1 - mean)
        baselines["auc_precision_recall"] = mean
        baselines["average_loss"] = -(mean * math.log(mean) + (1 - mean) * math.log(1 - mean))
    return baselines


def _describe_slices(report: RunReport) -> list[str]:
    evaluation = report.artifacts.get("ModelEvaluation")
    if not evaluation or not os.path.exists(os.path.join(evaluation["uri"], "eval_config.json")):
        return []
    import tensorflow_model_analysis as tfma

    rows = {
        ", ".join(f"{column} = {_text(value)}" for column, value in key): _values(metrics)
        for key, metrics in tfma.load_eval_result(evaluation["uri"]).slicing_metrics
    }
    names = sorted({name for values in rows.values() for name in values})
    width = max(len(name) for name in [*rows, "overall"]) + 2
    lines = [
        "  By slice",
        "    " + " " * width + "".join(f"{name:>{len(name) + 3}}" for name in names),
    ]
    for row in sorted(rows):  # the overall slice, whose key is empty, comes first
        cells = "".join(f"{_number(rows[row].get(name)):>{len(name) + 3}}" for name in names)
        lines.append(f"    {row or 'overall':<{width}}{cells}")
    return [*lines, ""]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _number(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.0f}" if value == int(value) and abs(value) >= 1 else f"{value:.4f}"


def _values(metrics: dict) -> dict[str, float]:
    """The values of one slice: {output: {sub key: {metric: value}}}, the candidate's alone."""
    named = next(iter(next(iter(metrics.values())).values()))
    return {
        name: float(value["doubleValue"])  # NaN comes as text
        for name, value in named.items()
        if isinstance(value, dict) and "doubleValue" in value and not name.endswith("_diff")
    }


def _describe_validation(report: RunReport, config: PipelineConfig) -> list[str]:
    blessing = report.artifacts.get("InfraBlessing")
    if config.validator is None or blessing is None:
        return []
    verdict = "yes" if blessing.get(constants.BLESSED) else "no"
    lines = [f"  Ready for a TPU {blessing.get(constants.TOPOLOGY, '')}: {verdict}"]
    lines += [f"    {each}" for each in blessing.get(constants.REASON, "").split("; ")]
    page = os.path.join(blessing["uri"], f"{constants.COMPILE_REPORT}.html")
    return [*lines, f"    report: {page}"] if os.path.exists(page) else lines


def _describe_outcome(report: RunReport, config: PipelineConfig) -> list[str]:
    model = report.artifacts.get("Model", {})
    lines = [*_describe_blessing(report), *_describe_validation(report, config)]
    lines += _describe_push(report)
    logs = report.artifacts.get("ModelRun", {}).get("uri")
    if model:
        lines.append(f"  Tag sets: {model.get(constants.SERVING_TAG_SETS, '')}")
    lines.append(f"  ML Metadata: {hide_password(config.metadata_path)}")
    lines += [f"  TensorBoard logs: {logs}"] if logs else []
    page = os.path.join(report.artifacts.get("ModelEvaluation", {}).get("uri", ""), PAGE_FILE)
    lines += [f"  Page of the evaluation: {page}"] if os.path.exists(page) else []
    lines += ["", "  What to try next"]
    lines += [_command("tensorboard", "--logdir", logs)] if logs else []
    pushed = report.artifacts.get("PushedModel", {}).get("pushed_destination")
    if pushed:
        lines.append(_command("saved_model_cli", "show", "--all", "--dir", pushed))
        lines.append(_command("tfx-tpu-estimator", "lineage", pushed))
    lines.append(f"    edit {config.module_file} and run again: only what changed is run")
    return lines


def _command(program: str, *words: str) -> str:
    """Returns a line for the shell, with the program of this environment."""
    path = os.path.join(os.path.dirname(sys.executable), program)
    near = os.path.relpath(path)
    return "    " + shlex.join([path if near.startswith("..") else near, *words])


def _describe_blessing(report: RunReport) -> list[str]:
    blessing = report.artifacts.get("ModelBlessing")
    # A resolver's run has the artifacts of earlier runs that it found.
    if blessing is None or _EVALUATOR not in report.nodes:
        return [f"  Blessed: not decided, as {_EVALUATOR} was not part of this run"]
    verdict = "yes" if blessing.get("blessed") else "no"
    return [f"  Blessed: {verdict} - {blessing.get('reason', '')}"]


def _describe_push(report: RunReport) -> list[str]:
    pushed = report.artifacts.get("PushedModel")
    if pushed is None:
        return [f"  Not pushed: {_PUSHER} was not part of this run"]
    if not pushed.get("pushed"):
        return [f"  Not pushed: {pushed.get('reason', 'the model is not blessed')}"]
    again = " (it was already the newest version)" if pushed.get("already_newest") else ""
    return [f"  Pushed to: {pushed.get('pushed_destination')}{again}"]
