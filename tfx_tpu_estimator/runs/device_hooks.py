"""The user's hooks in a run on devices: they can have what the host knows, and an error for else.

Steps run on the devices and not in the session, which has the variables and the global step, but
neither a batch nor what is computed from it. Only the loss comes back from every step; it is fed
where hooks run, so that what depends on it, on variables and on the step alone can be fetched.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.lowering.placeholders import list_needed_placeholders
from tfx_tpu_estimator.lowering.trace import TracedModel

_logger = logging.getLogger(__name__)


def prepare_hooks(
    hooks: Sequence[tf.compat.v1.train.SessionRunHook],
    traced: TracedModel,
    get_loss: Callable[[], float | None],
) -> list[tf.compat.v1.train.SessionRunHook]:
    """Returns the hooks to run in place of the user's; none for none.

    Args:
      hooks: The user's.
      traced: The model whose session they run with.
      get_loss: Returns the loss of the latest step, mean over replicas; None before the first.
    """
    if not hooks:
        return []
    if any(isinstance(hook, tf.compat.v1.train.ProfilerHook) for hook in hooks):
        _logger.warning(
            "ProfilerHook sees the host's session only, and not the steps, which run on devices: "
            "use jax.profiler.trace around train()."
        )
    return [_LossHook(traced, get_loss), *(_DeviceHook(hook, traced) for hook in hooks)]


class _LossHook(tf.compat.v1.train.SessionRunHook):
    """Gives the loss tensor of the session the value that it had on the devices."""

    def __init__(self, traced: TracedModel, get_loss: Callable[[], float | None]):
        self._tensor = traced.spec.loss
        self._get_loss = get_loss

    def before_run(self, run_context: Any) -> tf.compat.v1.train.SessionRunArgs | None:
        """Feeds it."""
        del run_context
        loss = self._get_loss()
        if self._tensor is None or loss is None:
            return None
        dtype = self._tensor.dtype.as_numpy_dtype
        value = np.full(self._tensor.shape.as_list(), loss).astype(dtype)
        return tf.compat.v1.train.SessionRunArgs(None, feed_dict={self._tensor: value})


class _DeviceHook(tf.compat.v1.train.SessionRunHook):
    """A user's hook that is told what it cannot have."""

    def __init__(self, hook: tf.compat.v1.train.SessionRunHook, traced: TracedModel):
        self._hook = hook
        self._traced = traced
        # An EstimatorSpec for prediction has none.
        self._loss = [t for t in [traced.spec.loss] if t is not None]
        self._known: set[int] = set()

    def begin(self) -> None:
        self._hook.begin()

    def after_create_session(self, session: tf.compat.v1.Session, coord: Any) -> None:
        with self._explain():
            self._hook.after_create_session(session, coord)

    def before_run(self, run_context: Any) -> Any:
        with self._explain():
            arguments = self._hook.before_run(run_context)
        if arguments is not None:
            self._validate(arguments)
        return arguments

    def after_run(self, run_context: Any, run_values: Any) -> None:
        with self._explain():
            self._hook.after_run(run_context, run_values)

    def end(self, session: tf.compat.v1.Session) -> None:
        with self._explain():
            self._hook.end(session)

    def _validate(self, arguments: tf.compat.v1.train.SessionRunArgs) -> None:
        """Checks what the hook wants with this run, before TensorFlow fails in its own words."""
        fed = [self._find(tensor) for tensor in arguments.feed_dict or {}]
        for tensor in fed:
            if tensor.op.name in self._traced.device_ops:
                raise ValueError(
                    f"{self._name} feeds `{tensor.name}`, but steps run on the devices and not in "
                    "the session that it feeds. Give values to the input_fn or in `params`, or use "
                    "use_tpu=False."
                )
        for fetch in tf.nest.flatten(arguments.fetches, expand_composites=True):
            if fetch is None or isinstance(fetch, tf.Variable):
                continue
            element = self._find(fetch)
            if id(element) in self._known:
                continue
            inputs = {tensor.op for tensor in self._traced.inputs}
            if inputs.intersection(list_needed_placeholders([element], [*fed, *self._loss])):
                raise self._make_error(f"asks for `{element.name}`")
            self._known.add(id(element))

    def _find(self, element: Any) -> Any:
        """Returns the tensor or operation that a hook named, in one way or another."""
        return self._traced.graph.as_graph_element(element)

    @contextlib.contextmanager
    def _explain(self) -> Iterator[None]:
        try:
            yield
        except tf.errors.InvalidArgumentError as error:
            if not any(f"'{tensor.op.name}'" in error.message for tensor in self._traced.inputs):
                raise
            raise self._make_error("runs an op in the session that reads the input") from error

    @property
    def _name(self) -> str:
        return type(self._hook).__name__

    def _make_error(self, what: str) -> ValueError:
        return ValueError(
            f"{self._name} {what}, which is computed on the devices. Hooks run on the host, after "
            "a loop of steps, and can have the loss, variables, the global step, and what depends "
            "on these only. A host_call of TPUEstimatorSpec gets any tensor of each step; with "
            "use_tpu=False hooks get all."
        )
