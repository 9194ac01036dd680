"""Which engine computes metrics by slice: what only TensorFlow Model Analysis does, it does."""

from __future__ import annotations

import os
from collections.abc import Mapping

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2
from tfx.dsl.io import fileio

from ..constants import SERVE_TAGS
from ..saved_model import read_meta_graphs

_TRANSFORMS = {"transformed_features", "transformed_labels"}
_KERAS_FILE = "keras_metadata.pb"


def find_need_for_tfma(
    config: config_pb2.EvalConfig, models: Mapping[str, str], hooks: Mapping[str, bool]
) -> str | None:
    """Says why the runtime cannot compute an EvalConfig's metrics.

    Args:
        config: With its defaults.
        models: SavedModel by name, '' where there is one.
        hooks: Which functions the module of the Evaluator has, by name.

    Returns:
        The reason in words, completing "because ..."; None where the runtime can.
    """
    if hooks.get("custom_eval_shared_model"):
        return "the module file has custom_eval_shared_model"
    if hooks.get("custom_extractors") and not hooks.get("add_features"):
        return "the module file has custom_extractors, which are Beam transforms"
    if any(spec.query_key for spec in config.metrics_specs):
        return "`eval_config` has metrics by query (query_key)"
    if any(spec.slice_keys_sql for spec in config.slicing_specs):
        return "`eval_config` slices by SQL (slice_keys_sql)"
    for spec in config.model_specs:
        if spec.preprocessing_function_names:
            return "`eval_config` names preprocessing functions"
        if spec.model_type not in ("", tfma.TF_GENERIC):
            return f"`eval_config` has the model_type {spec.model_type!r}"
        reason = _look_at_model(models[spec.name])
        if reason:
            return reason
    return None


def _look_at_model(path: str) -> str | None:
    if fileio.exists(os.path.join(path, _KERAS_FILE)):
        return f"the model at {path} is a Keras model, which may have metrics of its own"
    signatures = read_meta_graphs(path)[SERVE_TAGS].signatures
    if _TRANSFORMS & set(signatures):
        return f"the model at {path} has a signature that transforms features"
    return None
