"""Checks of the single fields of a RunConfig."""

from __future__ import annotations

import inspect
import numbers
import os
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.config.integers import is_int

_PROTOCOLS = (None, "grpc", "grpc+verbs")


def validate_fields(fields: Mapping[str, Any]) -> None:
    """Checks every field that has a rule; None always means "not set".

    Args:
        fields: values by field name.

    Raises:
        ValueError: naming the first field with a value that is not allowed.
    """
    for name, (is_valid, rule) in _RULES.items():
        value = fields[name]
        if value is not None and not is_valid(value):
            raise ValueError(f"{rule} Got `{name}` = {value!r}.")
    if fields["save_checkpoints_steps"] is not None and fields["save_checkpoints_secs"] is not None:
        raise ValueError(
            "`save_checkpoints_steps` and `save_checkpoints_secs` cannot be both set. Got "
            f"{fields['save_checkpoints_steps']} and {fields['save_checkpoints_secs']}; "
            "leave one of them out."
        )


def resolve_model_dir(model_dir: Any, from_tf_config: str | None) -> str | None:
    """Joins the two places that may name the model directory.

    Args:
        model_dir: the argument: str, os.PathLike or None.
        from_tf_config: TF_CONFIG's model_dir, or None.

    Returns:
        The directory, or None if neither names one.

    Raises:
        ValueError: if it is empty or the two differ.
        TypeError: if it is no path.
    """
    if model_dir is not None:
        try:
            model_dir = os.fsdecode(model_dir)
        except TypeError as error:
            raise TypeError(
                f"`model_dir` must be a str or os.PathLike; got {model_dir!r}."
            ) from error
        if not model_dir:
            raise ValueError(
                "model_dir should be non-empty. Got ''; leave `model_dir` out instead."
            )
    if from_tf_config is None or model_dir is None or from_tf_config == model_dir:
        return model_dir or from_tf_config
    raise ValueError(
        "`model_dir` provided in RunConfig construct, if set, must have the same value as the "
        f"model_dir in TF_CONFIG. model_dir: {model_dir}, TF_CONFIG: {from_tf_config}."
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _at_least_zero(value: Any) -> bool:
    return _is_number(value) and value >= 0


def _above_zero(value: Any) -> bool:
    return _is_number(value) and value > 0


def _takes_only_op(function: Any) -> bool:
    if not callable(function):
        return False
    return list(inspect.signature(function).parameters) == ["op"]


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "tf_random_seed": (is_int, "tf_random_seed must be integer."),
    "save_summary_steps": (_at_least_zero, "save_summary_steps should be >= 0."),
    "save_checkpoints_steps": (_at_least_zero, "save_checkpoints_steps should be >= 0."),
    "save_checkpoints_secs": (_at_least_zero, "save_checkpoints_secs should be >= 0."),
    "session_config": (
        lambda value: isinstance(value, tf.compat.v1.ConfigProto),
        "session_config must be instance of ConfigProto (tf.compat.v1.ConfigProto).",
    ),
    "keep_checkpoint_max": (_at_least_zero, "keep_checkpoint_max should be >= 0 (0 keeps all)."),
    "keep_checkpoint_every_n_hours": (_above_zero, "keep_checkpoint_every_n_hours should be > 0."),
    "log_step_count_steps": (_at_least_zero, "log_step_count_steps should be >= 0."),
    "device_fn": (
        _takes_only_op,
        'device_fn must be callable with exactly one argument "op".',
    ),
    "protocol": (lambda value: value in _PROTOCOLS, "protocol should be grpc or grpc+verbs."),
    "experimental_max_worker_delay_secs": (
        is_int,
        "experimental_max_worker_delay_secs must be an integer if set.",
    ),
    "session_creation_timeout_secs": (
        _above_zero,
        "session_creation_timeout_secs should be > 0.",
    ),
    "checkpoint_save_graph_def": (
        lambda value: isinstance(value, bool),
        "checkpoint_save_graph_def must be True or False.",
    ),
}
