"""Calls a function that makes logits with the arguments that it names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.lowering.model_fn import list_arguments


def call_logit_fn(
    logit_fn: Callable, features: Any, mode: str, params: dict | None, config: Any
) -> tf.Tensor | dict[str, tf.Tensor]:
    """Returns what `logit_fn` makes of features.

    Args:
      logit_fn: `logit_fn(features[, mode][, params][, config])`.
      features: A tensor or a dict of tensors, batch-major.
      mode: A value of `ModeKeys`.
      params: Hyperparameters.
      config: The configuration of the estimator.

    Returns:
      The logits, or a dict of logits by name.

    Raises:
      ValueError: It returned something else.

    Example:
      logits = call_logit_fn(lambda features: features["x"] * 2.0, features, mode, params, config)
    """
    offered = {"mode": mode, "params": params, "config": config}
    arguments = list_arguments(logit_fn)
    chosen = {name: value for name, value in offered.items() if name in arguments}
    logits = logit_fn(features=features, **chosen)
    if isinstance(logits, tf.Tensor) or (
        isinstance(logits, dict)
        and all(isinstance(k, str) and isinstance(v, tf.Tensor) for k, v in logits.items())
    ):
        return logits
    raise ValueError(
        "logit_fn should return a Tensor or a dictionary mapping strings to Tensors. logit_fn "
        f"returned: {logits!r}."
    )
