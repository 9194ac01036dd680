"""Checks of an EvalConfig that are made before any model is evaluated."""

from __future__ import annotations

from collections.abc import Mapping

from tensorflow_model_analysis.proto import config_pb2

from ..constants import SERVE_TAGS
from ..saved_model import MetaGraph

_EVAL = "eval"
_TFMA_EVAL = "tfma_eval"


def check_eval_config(config: config_pb2.EvalConfig) -> None:
    """Refuses what cannot work on a serving model.

    Args:
        config: The configuration of TensorFlow Model Analysis.

    Raises:
        ValueError: If a model spec asks for the `eval` signature or an EvalSavedModel, if there
            is more than one baseline or candidate, or if nothing is to be computed.
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


def check_signatures(
    config: config_pb2.EvalConfig, graphs: Mapping[tuple[str, ...], MetaGraph], path: str
) -> None:
    """Checks that the model has the {serve} metagraph and the signatures asked for.

    Args:
        config: The configuration of TensorFlow Model Analysis.
        graphs: The metagraphs of the model.
        path: Where the model is, for error messages.

    Raises:
        ValueError: If a metagraph or signature is missing.
    """
    if SERVE_TAGS not in graphs:
        raise ValueError(
            f"the model at {path} has no {{serve}} metagraph, which metrics are computed on."
        )
    signatures = graphs[SERVE_TAGS].signatures
    for spec in config.model_specs:
        if not spec.is_baseline and spec.signature_name not in ("", *signatures):
            raise ValueError(
                f"`eval_config`: the model at {path} has no signature {spec.signature_name!r}; it "
                f"has {', '.join(sorted(signatures))}."
            )
