"""Checks of what train, evaluate and predict are called with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.config.base_run_config import BaseRunConfig
from tfx_tpu_estimator.config.cluster import TaskType
from tfx_tpu_estimator.config.integers import validate_int


def validate_training_task(config: BaseRunConfig, on_devices: bool = False) -> None:
    """Refuses train() in a process that does not train by itself.

    Args:
        config: the configuration, with this process's task.
        on_devices: whether training runs on devices, which several processes can share.

    Raises:
        ValueError: if the task is an evaluator or a parameter server, or the cluster has several
            workers.
    """
    if config.task_type in (TaskType.EVALUATOR, TaskType.PS):
        raise ValueError(
            f"Train has been called with task type {config.task_type!r}, which does not train. "
            "Call train_and_evaluate, which does in each process what its task says, or correct "
            "the task in TF_CONFIG."
        )
    if not on_devices and config.num_worker_replicas + config.num_ps_replicas > 1:
        raise ValueError(
            "train() runs in one process, but TF_CONFIG describes "
            f"{config.cluster_spec.as_dict()}. Several processes train together, by train() or "
            "train_and_evaluate, with a TPUEstimator and use_tpu=True; for a single process, unset "
            "TF_CONFIG."
        )


def validate_train_steps(steps: Any, max_steps: Any, on_tpu: bool = False) -> None:
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
        validate_int(name, value)
        if value <= 0:
            raise ValueError(f"Must specify {name} > 0; got `{name}`={value}.")
    if on_tpu and steps is None and max_steps is None:
        raise ValueError(
            "For TPU training, one of `steps` or `max_steps` must be set. Cannot be both `None`."
        )


def validate_eval_steps(steps: Any, on_tpu: bool = False) -> None:
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
    validate_int("steps", steps)
    if steps <= 0:
        raise ValueError(f"Must specify steps > 0: `steps` must be positive; got {steps}.")


def validate_hooks(hooks: Any) -> list[Any]:
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


def validate_saving_listeners(saving_listeners: Any) -> list[Any]:
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


def validate_listeners_have_saver(saving_listeners: Sequence[Any], has_saver_hook: bool) -> None:
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
