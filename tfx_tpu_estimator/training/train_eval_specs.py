"""TrainSpec and EvalSpec: what train_and_evaluate shall do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import tensorflow as tf

from tfx_tpu_estimator.config.checked_replace import CheckedReplace
from tfx_tpu_estimator.export.exporters import Exporter


class _TrainSpecFields(NamedTuple):
    input_fn: Callable
    max_steps: int | None
    hooks: tuple[tf.compat.v1.train.SessionRunHook, ...]
    saving_listeners: tuple[tf.compat.v1.train.CheckpointSaverListener, ...]


class TrainSpec(CheckedReplace, _TrainSpecFields):
    """The training of a `train_and_evaluate`.

    Example:
      >>> TrainSpec(lambda: None, max_steps=1000).max_steps
      1000
    """

    __slots__ = ()

    def __new__(
        cls,
        input_fn: Callable,
        max_steps: int | None = None,
        hooks: Iterable[tf.compat.v1.train.SessionRunHook] | None = None,
        saving_listeners: Iterable[tf.compat.v1.train.CheckpointSaverListener] | None = None,
    ):
        """Checks every field.

        Args:
          input_fn: As for `train`.
          max_steps: Global step to stop at, > 0; None to go on to the end of the input.
          hooks: SessionRunHooks for the training.
          saving_listeners: CheckpointSaverListeners for the training.

        Returns:
          The spec, with hooks and listeners as tuples.

        Raises:
          TypeError: `input_fn` is no function, or a hook or listener is something else.
          ValueError: `max_steps` is not positive.
        """
        _validate_input_fn(input_fn)
        _validate_positive("max_steps", max_steps)
        return super().__new__(
            cls,
            input_fn=input_fn,
            max_steps=max_steps,
            hooks=_validate_hooks(hooks),
            saving_listeners=_validate_listeners(saving_listeners),
        )


class _EvalSpecFields(NamedTuple):
    input_fn: Callable
    steps: int | None
    name: str | None
    hooks: tuple[tf.compat.v1.train.SessionRunHook, ...]
    exporters: tuple[Exporter, ...]
    start_delay_secs: float
    throttle_secs: float


class EvalSpec(CheckedReplace, _EvalSpecFields):
    """The evaluations of a `train_and_evaluate`, and what is exported after each.

    Example:
      >>> EvalSpec(lambda: None, steps=None, name="validation").throttle_secs
      600
    """

    __slots__ = ()

    def __new__(
        cls,
        input_fn: Callable,
        steps: int | None = 100,
        name: str | None = None,
        hooks: Iterable[tf.compat.v1.train.SessionRunHook] | None = None,
        exporters: Exporter | Iterable[Exporter] | None = None,
        start_delay_secs: float = 120,
        throttle_secs: float = 600,
    ):
        """Checks every field.

        Args:
          input_fn: As for `evaluate`.
          steps: Batches to evaluate, > 0; None for the whole input.
          name: Results go to the event files of `eval_<name>` rather than `eval`.
          hooks: SessionRunHooks for the evaluations.
          exporters: Exporters to call after each evaluation, in this order; or one, or None.
          start_delay_secs: How long a separate evaluator waits before its first evaluation.
          throttle_secs: Least time between the starts of two evaluations.

        Returns:
          The spec, with hooks and exporters as tuples.

        Raises:
          TypeError: A field is of the wrong type.
          ValueError: `steps` is not positive, a time is negative, or exporters do not have names of
            their own.
        """
        _validate_input_fn(input_fn)
        _validate_positive("steps", steps)
        if name is not None and not isinstance(name, str):
            raise TypeError(f"`name` must be string, given: {name!r}.")
        _validate_seconds("start_delay_secs", start_delay_secs)
        _validate_seconds("throttle_secs", throttle_secs)
        return super().__new__(
            cls,
            input_fn=input_fn,
            steps=steps,
            name=name,
            hooks=_validate_hooks(hooks),
            exporters=_validate_exporters(exporters),
            start_delay_secs=start_delay_secs,
            throttle_secs=throttle_secs,
        )


def _validate_input_fn(input_fn: Any) -> None:
    if not callable(input_fn):
        raise TypeError(f"`input_fn` must be callable, given: {input_fn!r}.")


def _validate_positive(name: str, value: Any) -> None:
    if value is not None and value <= 0:
        raise ValueError(f"Must specify {name} > 0, given: {value}.")


def _validate_seconds(name: str, value: Any) -> None:
    if value < 0:
        raise ValueError(f"Must specify {name} >= 0, given: {value}.")


def _validate_hooks(hooks: Any) -> tuple[Any, ...]:
    hooks = tuple(hooks or ())
    for hook in hooks:
        if not isinstance(hook, tf.compat.v1.train.SessionRunHook):
            raise TypeError(f"All hooks must be `SessionRunHook` instances, given: {hook!r}.")
    return hooks


def _validate_listeners(listeners: Any) -> tuple[Any, ...]:
    listeners = tuple(listeners or ())
    for listener in listeners:
        if not isinstance(listener, tf.compat.v1.train.CheckpointSaverListener):
            raise TypeError(
                "All saving_listeners must be `CheckpointSaverListener` instances, given: "
                f"{listener!r}."
            )
    return listeners


def _validate_exporters(exporters: Any) -> tuple[Exporter, ...]:
    if not exporters:
        return ()
    given: tuple[Any, ...] = (exporters,)
    if isinstance(exporters, Iterable) and not isinstance(exporters, Exporter):
        given = tuple(exporters)
    if not all(isinstance(exporter, Exporter) for exporter in given):
        raise TypeError(
            "`exporters` must be an Exporter, an iterable of Exporter, or `None`; found "
            f"{exporters!r}."
        )
    names = [exporter.name for exporter in given]
    for name in names:
        _validate_exporter_name(name, names)
    return given


def _validate_exporter_name(name: Any, names: list[Any]) -> None:
    if not name:
        raise ValueError(
            f"An Exporter cannot have a name that is `None` or empty. All exporter names: {names}."
        )
    if not isinstance(name, str):
        raise ValueError(f"An Exporter must have a string name. Given: {type(name)}.")
    if names.count(name) > 1:
        raise ValueError(
            "`exporters` must have unique names, as each has a directory of its own. All exporter "
            f"names: {names}."
        )
