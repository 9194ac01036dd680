"""Checks of an estimator's constructor arguments that need no graph, a small function each."""

from __future__ import annotations

import enum
import os
from collections.abc import Mapping
from typing import Any

from tfx_tpu_estimator.config.base_run_config import BaseRunConfig
from tfx_tpu_estimator.config.integers import is_int, validate_int
from tfx_tpu_estimator.config.run_config import RunConfig
from tfx_tpu_estimator.config.tpu_config import InputPipelineConfig

RESERVED_PARAMS_KEYS = ("batch_size", "context")


class ExportSavedModelApiVersion(enum.IntEnum):
    """Who puts the served model on the TPU.

    Attributes:
        V1: the runtime wraps the whole model_fn.
        V2: the model_fn does it itself where params['use_tpu'] is set.

    Example:
        >>> ExportSavedModelApiVersion(1).name
        'V1'
    """

    V1 = 1
    V2 = 2


def resolve_config(config: Any) -> BaseRunConfig:
    """Resolves the `config` of Estimator's constructor.

    Args:
        config: a BaseRunConfig, a RunConfig, or None.

    Returns:
        The same object; the default configuration for None.

    Raises:
        ValueError: if it is something else.
    """
    if config is None:
        return BaseRunConfig()
    if not isinstance(config, BaseRunConfig):
        raise ValueError(
            f"`config` must be an instance of `RunConfig`; got {config!r}. Make one with "
            "tfx_tpu_estimator.BaseRunConfig(...), or leave it None for the defaults."
        )
    return config


def validate_config(config: Any) -> RunConfig:
    """Checks the `config` of TPUEstimator's constructor.

    Args:
        config: must be a RunConfig.

    Returns:
        The same object.

    Raises:
        ValueError: if it is None or something else.
    """
    if not isinstance(config, RunConfig):
        raise ValueError(
            f"`config` must be an instance of `RunConfig` (the TPU one); got {config!r}. "
            "Make one with tfx_tpu_estimator.RunConfig(...)."
        )
    return config


def resolve_model_dir(model_dir: Any, config: BaseRunConfig) -> str | None:
    """Joins the constructor's `model_dir` with that of the configuration.

    Args:
        model_dir: str, os.PathLike or None.
        config: the configuration.

    Returns:
        The directory, or None if neither names one.

    Raises:
        ValueError: if it is empty or the two differ.
        TypeError: if it is no path.
    """
    if model_dir is None:
        return config.model_dir
    try:
        path = os.fsdecode(model_dir)
    except TypeError as error:
        raise TypeError(f"`model_dir` must be a str or os.PathLike; got {model_dir!r}.") from error
    if not path:
        raise ValueError("model_dir should be non-empty. Got ''; leave `model_dir` out instead.")
    if config.model_dir is not None and config.model_dir != path:
        raise ValueError(
            "`model_dir` are set both in constructor and `RunConfig`, but with different values. "
            f"In constructor: {path!r}, in `RunConfig`: {config.model_dir!r}. Set it in one place."
        )
    return path


def validate_params(params: Any) -> None:
    """Checks the `params` of TPUEstimator's constructor.

    Args:
        params: dict without the keys that the runtime sets, or None.

    Raises:
        TypeError: if it is no dict.
        ValueError: if it has a reserved key.
    """
    if params is None:
        return
    if not isinstance(params, Mapping):
        raise TypeError(f"`params` must be a dict; got {params!r}. Pass a dict of its values.")
    if any(key in params for key in RESERVED_PARAMS_KEYS):
        raise ValueError(
            f"{list(RESERVED_PARAMS_KEYS)} are reserved keys but existed in params {params}. "
            "Give batch sizes as `train_batch_size`, `eval_batch_size` and `predict_batch_size`."
        )


def validate_batch_sizes(
    use_tpu: bool,
    train_batch_size: Any = None,
    eval_batch_size: Any = None,
    predict_batch_size: Any = None,
) -> None:
    """Checks the three global batch sizes.

    Args:
        use_tpu: whether the constructor was told to use TPUs.
        train_batch_size: positive int; None only without TPUs.
        eval_batch_size: positive int or None.
        predict_batch_size: positive int or None.

    Raises:
        ValueError: if one is not positive or a required one is None.
        TypeError: if one is no int.
    """
    if use_tpu and train_batch_size is None:
        raise ValueError(
            "`train_batch_size` cannot be `None` with `use_tpu`=True. Give the global batch size."
        )
    validate_batch_size("train_batch_size", train_batch_size)
    validate_batch_size("eval_batch_size", eval_batch_size)
    validate_batch_size("predict_batch_size", predict_batch_size)


def validate_batch_size(name: str, value: Any) -> None:
    """Checks one batch size.

    Args:
        name: the argument's name.
        value: positive int or None.

    Raises:
        TypeError: if it is no int.
        ValueError: if it is not positive.
    """
    if value is None:
        return
    validate_int(name, value)
    if value < 1:
        raise ValueError(f"`{name}` must be positive; got {value}.")


def validate_batch_axis(batch_axis: Any) -> None:
    """Checks the constructor's `batch_axis`.

    Args:
        batch_axis: tuple or list of ints >= 0, one per flattened input tensor, or None.

    Raises:
        TypeError: if it is something else.
        ValueError: if an axis is negative.
    """
    if batch_axis is None:
        return
    if not isinstance(batch_axis, tuple | list):
        raise TypeError(
            f"`batch_axis` must be a tuple of ints, one per input tensor; got {batch_axis!r}."
        )
    for axis in batch_axis:
        validate_int("batch_axis", axis)
        if axis < 0:
            raise ValueError(f"`batch_axis` must hold axes >= 0; got {batch_axis!r}.")


def resolve_export_api_version(version: Any) -> ExportSavedModelApiVersion:
    """Resolves the constructor's `export_saved_model_api_version`.

    Args:
        version: an ExportSavedModelApiVersion, or 1 or 2.

    Returns:
        The member.

    Raises:
        ValueError: if it is something else.
    """
    if is_int(version) and version in (1, 2):
        return ExportSavedModelApiVersion(version)
    raise ValueError(f"export_saved_model_api_version should be 1 or 2; got {version}.")


def validate_model_parallelism(config: RunConfig) -> None:
    """Refuses model parallelism with one input_fn call per core.

    Args:
        config: the configuration.

    Raises:
        ValueError: if num_cores_per_replica is set with PER_SHARD_V1.
    """
    tpu_config = config.tpu_config
    if (
        tpu_config.num_cores_per_replica is not None
        and tpu_config.per_host_input_for_training is InputPipelineConfig.PER_SHARD_V1
    ):
        raise ValueError(
            "Model parallelism only supports per host input for training. Please adjust "
            "TPURunconfig.per_host_input_for_training. Got `num_cores_per_replica`="
            f"{tpu_config.num_cores_per_replica} with PER_SHARD_V1 (False)."
        )
