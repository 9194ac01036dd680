"""Checks of an EvalConfig that are made before any model is evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tensorflow_model_analysis.proto import config_pb2

from tfx_tpu_estimator.suggestions import suggest

from ..constants import SERVE_TAGS
from ..saved_model import MetaGraph
from .engine.pairs import USUAL_OUTPUTS
from .engine.predictor import choose_signature
from .metric_checks import check_metrics

_EVAL = "eval"
_TFMA_EVAL = "tfma_eval"


def check_eval_config(config: config_pb2.EvalConfig, *, with_modules: bool = True) -> None:
    """Refuses what cannot work on a serving model.

    Args:
        config: The configuration of TensorFlow Model Analysis.
        with_modules: Whether metrics of the user's own modules are looked at, too.

    Raises:
        ValueError: If a model spec asks for the `eval` signature or an EvalSavedModel, if there
            is more than one baseline or candidate, if nothing is to be computed, or a metric does
            not exist.
    """
    for spec in config.model_specs:
        name = f" of model spec {spec.name!r}" if spec.name else ""
        if spec.model_type == _TFMA_EVAL:
            raise ValueError(
                f"`eval_config`: model_type {_TFMA_EVAL!r}{name} needs an EvalSavedModel, which "
                "no current TensorFlow Model Analysis reads; leave `model_type` empty."
            )
        if spec.signature_name == _EVAL:
            raise ValueError(
                f"`eval_config`: signature_name {_EVAL!r}{name} is that of an EvalSavedModel; use "
                "a serving signature, or leave `signature_name` empty."
            )
    if not config.metrics_specs:
        raise ValueError(
            "`eval_config` has no `metrics_specs`: a serving model holds no metrics of its own, so "
            "name those to compute. The metrics of the model_fn are computed in any case."
        )
    baselines = [spec for spec in config.model_specs if spec.is_baseline]
    if len(baselines) > 1 or len(config.model_specs) - len(baselines) > 1:
        raise ValueError(
            "`eval_config` must have at most one candidate and one baseline in `model_specs`, got "
            f"{len(config.model_specs) - len(baselines)} and {len(baselines)}."
        )
    check_metrics(config, with_modules=with_modules)


def check_signatures(
    config: config_pb2.EvalConfig,
    graphs: Mapping[tuple[str, ...], MetaGraph],
    path: str,
    *,
    is_baseline: bool = False,
    with_outputs: bool = True,
) -> None:
    """Checks that a model has the {serve} metagraph, and the signatures and outputs asked for.

    Args:
        config: The configuration of TensorFlow Model Analysis.
        graphs: The metagraphs of the model.
        path: Where the model is, for error messages.
        is_baseline: Whether it is the baseline.
        with_outputs: Whether predictions are taken from the signature as they are.

    Raises:
        ValueError: If a metagraph, signature or output is missing.
    """
    if SERVE_TAGS not in graphs:
        raise ValueError(
            f"the model at {path} has no {{serve}} metagraph, which metrics are computed on."
        )
    signatures = graphs[SERVE_TAGS].signatures
    spec = _find_spec(config, is_baseline=is_baseline)
    if spec.signature_name not in ("", *signatures):
        raise ValueError(
            f"`eval_config`: the model at {path} has no signature {spec.signature_name!r}; it "
            f"has {', '.join(sorted(signatures))}.{suggest(spec.signature_name, signatures)}"
        )
    # Metrics by output name its outputs themselves.
    if with_outputs and not any(metrics.output_names for metrics in config.metrics_specs):
        _check_prediction_key(spec.prediction_key, list_outputs(signatures, spec), path)


def list_outputs(
    signatures: Mapping[str, frozenset[tuple[str, str, int]]], spec: config_pb2.ModelSpec
) -> list[str]:
    """Returns the outputs of the signature that a model spec chooses; none if there is none."""
    try:
        _, parts = choose_signature(signatures, spec.signature_name)
    except ValueError:
        return []
    return sorted(name for kind, name, _ in parts if kind == "output")


def _find_spec(config: config_pb2.EvalConfig, *, is_baseline: bool) -> config_pb2.ModelSpec:
    """Returns the spec of the candidate or the baseline, which has the candidate's by default."""
    specs = sorted(config.model_specs, key=lambda spec: spec.is_baseline != is_baseline)
    return specs[0] if specs else config_pb2.ModelSpec()


def _check_prediction_key(key: str, outputs: Sequence[str], path: str) -> None:
    """Refuses several outputs none of which is the one to evaluate.

    The only output is evaluated whatever the key is, as TensorFlow Model Analysis does.
    """
    if len(outputs) < 2 or key in outputs:
        return
    if not key and any(name in outputs for name in USUAL_OUTPUTS):
        return
    raise ValueError(
        f"`eval_config`: `prediction_key` is {key!r}, the outputs of the model at {path} are "
        f"{', '.join(outputs)}; name the one that is compared with the label."
        f"{suggest(key, outputs)}"
    )
