"""Checks of TPUEstimator's arguments that need no graph: one small function per argument."""

from __future__ import annotations

import enum
import numbers
import os
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.config.run_config import RunConfig
from tfx_tpu_estimator.config.tpu_config import InputPipelineConfig
from tfx_tpu_estimator.errors import FeatureNotAvailableError

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


def check_config(config: Any) -> None:
    """Checks the constructor's `config`.

    Args:
        config: must be a RunConfig.

    Raises:
        ValueError: if it is None or something else.
    """
    if not isinstance(config, RunConfig):
        raise ValueError(
            f"`config` must be an instance of `RunConfig` (the TPU one); got {config!r}. "
            "Make one with tfx_tpu_estimator.RunConfig(...)."
        )


def resolve_model_dir(model_dir: Any, config: RunConfig) -> str | None:
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


def check_params(params: Any) -> None:
    """Checks the constructor's `params`.

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


def check_batch_sizes(
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
    check_batch_size("train_batch_size", train_batch_size)
    check_batch_size("eval_batch_size", eval_batch_size)
    check_batch_size("predict_batch_size", predict_batch_size)


def check_batch_size(name: str, value: Any) -> None:
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
    _check_int(name, value)
    if value < 1:
        raise ValueError(f"`{name}` must be positive; got {value}.")


def check_batch_axis(batch_axis: Any) -> None:
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
        _check_int("batch_axis", axis)
        if axis < 0:
            raise ValueError(f"`batch_axis` must hold axes >= 0; got {batch_axis!r}.")


def check_export_targets(export_to_tpu: Any, export_to_cpu: Any) -> None:
    """Checks that an export writes at least one metagraph.

    Args:
        export_to_tpu: whether to write {serve, tpu}.
        export_to_cpu: whether to write {serve}.

    Raises:
        ValueError: if both are off.
    """
    if not export_to_tpu and not export_to_cpu:
        raise ValueError(
            "One of export_to_cpu and export_to_tpu must be true. Got `export_to_cpu`="
            f"{export_to_cpu!r} and `export_to_tpu`={export_to_tpu!r}."
        )


def resolve_export_api_version(version: Any) -> ExportSavedModelApiVersion:
    """Resolves the constructor's `export_saved_model_api_version`.

    Args:
        version: an ExportSavedModelApiVersion, or 1 or 2.

    Returns:
        The member.

    Raises:
        ValueError: if it is something else.
    """
    if _is_int(version) and version in (1, 2):
        return ExportSavedModelApiVersion(version)
    raise ValueError(f"export_saved_model_api_version should be 1 or 2; got {version}.")


def check_model_parallelism(config: RunConfig) -> None:
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


def check_train_steps(steps: Any, max_steps: Any, on_tpu: bool = False) -> None:
    """Checks how long train() shall run.

    Args:
        steps: additional steps, positive int or None.
        max_steps: final global step, positive int or None.
        on_tpu: whether training runs on TPUs, where an input has no end to wait for.

    Raises:
        TypeError: if one is no int.
        ValueError: if one is not positive, both are given, or none is on a TPU.
    """
    if steps is not None and max_steps is not None:
        raise ValueError(
            f"Can not provide both steps and max_steps. Got `steps`={steps} (additional) and "
            f"`max_steps`={max_steps} (final global step)."
        )
    for name, value in (("steps", steps), ("max_steps", max_steps)):
        if value is None:
            continue
        _check_int(name, value)
        if value <= 0:
            raise ValueError(f"Must specify {name} > 0; got `{name}`={value}.")
    if on_tpu and steps is None and max_steps is None:
        raise ValueError(
            "For TPU training, one of `steps` or `max_steps` must be set. Cannot be both `None`."
        )


def check_eval_steps(steps: Any, on_tpu: bool = False) -> None:
    """Checks how long evaluate() shall run.

    Args:
        steps: number of batches, positive int, or None for all.
        on_tpu: whether evaluation runs on TPUs, where the number is required.

    Raises:
        TypeError: if it is no int.
        ValueError: if it is not positive, or None on a TPU.
    """
    if steps is None:
        if on_tpu:
            raise ValueError("Evaluate `steps` must be set on TPU. Cannot be `None`.")
        return
    _check_int("steps", steps)
    if steps <= 0:
        raise ValueError(f"Must specify steps > 0: `steps` must be positive; got {steps}.")


def check_session_hooks(hooks: Any) -> list[Any]:
    """Checks the hooks given to train, evaluate or predict.

    Args:
        hooks: iterable of SessionRunHooks, or None.

    Returns:
        A new list.

    Raises:
        TypeError: if one is no SessionRunHook.
    """
    hook_type = tf.compat.v1.train.SessionRunHook
    if hooks is not None and not isinstance(hooks, Sequence | set | frozenset):
        raise TypeError(f"Each of `hooks` must be a SessionRunHook in a list; got {hooks!r}.")
    hooks = list(hooks or [])
    for hook in hooks:
        if not isinstance(hook, hook_type):
            raise TypeError(f"Each of `hooks` must be a SessionRunHook; got {hook!r}.")
    return hooks


def check_saving_listeners(saving_listeners: Any) -> list[Any]:
    """Checks the listeners given to train.

    Args:
        saving_listeners: iterable of CheckpointSaverListeners, or None.

    Returns:
        A new list.

    Raises:
        TypeError: if one is no CheckpointSaverListener.
    """
    listener_type = tf.compat.v1.train.CheckpointSaverListener
    given = [] if saving_listeners is None else saving_listeners
    if not isinstance(given, Sequence | set | frozenset) or not all(
        isinstance(listener, listener_type) for listener in given
    ):
        raise TypeError(
            "`saving_listeners` must be a list of CheckpointSaverListener; "
            f"got {saving_listeners!r}."
        )
    return list(given)


def check_listeners_have_saver(saving_listeners: Sequence[Any], has_saver_hook: bool) -> None:
    """Refuses listeners in a run that saves no checkpoints.

    Args:
        saving_listeners: checked listeners.
        has_saver_hook: whether the run has a CheckpointSaverHook.

    Raises:
        ValueError: if there are listeners and nothing for them to listen to.
    """
    if saving_listeners and not has_saver_hook:
        raise ValueError(
            "There should be a CheckpointSaverHook to use saving_listeners. Please set one of the "
            "RunConfig.save_checkpoints_steps or RunConfig.save_checkpoints_secs."
        )


def refuse_unsupported_config(config: RunConfig) -> None:
    """Refuses settings that are understood, but whose feature this release does not have.

    Args:
        config: the configuration.

    Raises:
        FeatureNotAvailableError: naming the setting and the way out.
    """
    for name in ("train_distribute", "eval_distribute", "experimental_distribute"):
        if getattr(config, name) is not None:
            raise FeatureNotAvailableError(
                f"RunConfig `{name}` is not available in this release; got "
                f"{getattr(config, name)!r}. Leave it None: a run uses one process and one device."
            )
    processes = config.cluster_spec.as_dict()
    if sum(len(addresses) for addresses in processes.values()) > 1:
        raise FeatureNotAvailableError(
            "Training in several processes is not available in this release; the cluster has "
            f"{processes}. Unset TF_CONFIG (or `cluster`) and run a single process."
        )
    tpu_config = config.tpu_config
    if (tpu_config.num_cores_per_replica or 1) > 1:
        raise FeatureNotAvailableError(
            "Model parallelism is not available in this release; got `num_cores_per_replica`="
            f"{tpu_config.num_cores_per_replica}. Leave it None, or set it to 1."
        )
    if tpu_config.input_partition_dims is not None:
        raise FeatureNotAvailableError(
            "Partitioned inputs are not available in this release; got `input_partition_dims`="
            f"{tpu_config.input_partition_dims!r}. Leave it None."
        )


def _is_int(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _check_int(name: str, value: Any) -> None:
    if not _is_int(value):
        raise TypeError(f"{name} must be int, got {type(value)}: `{name}`={value!r}.")
