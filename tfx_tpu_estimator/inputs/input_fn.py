"""Calls the user's input_fn and brings what it returns into one form: tensors of one batch."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.specs import ModeKeys
from tfx_tpu_estimator.wording import with_article

# Ops whose OutOfRangeError means "the input has ended". The same error from any other op is a
# fault of the model, and must not end training as if all were well.
_INPUT_OPS = (
    "IteratorGetNext",
    "IteratorGetNextSync",
    "QueueDequeueV2",
    "QueueDequeueManyV2",
    "QueueDequeueUpToV2",
)


@dataclasses.dataclass(frozen=True)
class Batch:
    """One batch as tensors of the graph that is being built.

    Attributes:
      features: A tensor or a nested structure of tensors.
      labels: The same, or None where the input has none.
      hooks: Hooks that the session must run for the tensors to have values.
    """

    features: Any
    labels: Any
    hooks: tuple[tf.compat.v1.train.SessionRunHook, ...] = ()


class _IteratorInitializer(tf.compat.v1.train.SessionRunHook):
    """Starts a dataset once the session has initialised tables that it may look things up in."""

    def __init__(self, iterator):
        self._iterator = iterator

    def begin(self):
        self._initializer = self._iterator.initializer

    def after_create_session(self, session, coord):
        session.run(self._initializer)


def call_input_fn(input_fn: Callable, *, mode: str, params: dict, config: Any) -> Any:
    """Calls `input_fn` with those of mode, params and config that it names.

    Raises:
      TypeError: `input_fn` is no function.
      ValueError: `input_fn` requires an argument that the runtime does not have.
    """
    if not callable(input_fn):
        got = with_article(type(input_fn).__name__)
        raise TypeError(
            f"`input_fn` must be a function; got {got}. Give a function that "
            "returns a tf.data.Dataset or tensors, without calling it."
        )
    offered = {"mode": mode, "params": params, "config": config}
    parameters = inspect.signature(input_fn).parameters.values()
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        return input_fn(**offered)
    chosen = {p.name: offered[p.name] for p in parameters if p.name in offered}
    missing = [
        p.name
        for p in parameters
        if p.default is inspect.Parameter.empty
        and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY, p.POSITIONAL_ONLY)
        and p.name not in offered
    ]
    if missing:
        raise ValueError(
            f"`input_fn` ({input_fn}) takes arguments {missing}, which the runtime does not have; "
            "it can give `params`, `config` and `mode`. Bind the others with functools.partial."
        )
    return input_fn(**chosen)


def build_batch(result: Any, mode: str) -> Batch:
    """Turns what an input_fn returned into a `Batch` of the default graph.

    Args:
      result: A `tf.data.Dataset`, a pair (features, labels), or features alone.
      mode: A value of `ModeKeys`. For PREDICT labels are dropped.

    Raises:
      ValueError: A tuple or list that is not a pair, or None.
    """
    if result is None:
        raise ValueError("`input_fn` returned None; return a tf.data.Dataset or tensors.")
    if isinstance(result, tf.data.Dataset):
        return build_batches(result, mode, 1)[0]
    return _split_result(result, mode)


def build_batches(dataset: tf.data.Dataset, mode: str, count: int) -> list[Batch]:
    """Takes consecutive batches of a dataset, in the default graph.

    Args:
      dataset: What an input_fn returned.
      mode: A value of `ModeKeys`. For PREDICT labels are dropped.
      count: How many batches; they come in order in one run of the session.

    Returns:
      The batches, which share their hooks.

    Raises:
      ValueError: Its elements are tuples that are not pairs.
    """
    iterator = tf.compat.v1.data.make_initializable_iterator(dataset)
    hooks = (_IteratorInitializer(iterator),)
    batches: list[Batch] = []
    before: list[tf.Tensor] = []
    for _ in range(count):
        with tf.control_dependencies(before):
            result = iterator.get_next()
        before = tf.nest.flatten(result, expand_composites=True)
        batches.append(_split_result(result, mode, hooks))
    return batches


def _split_result(
    result: Any, mode: str, hooks: tuple[tf.compat.v1.train.SessionRunHook, ...] = ()
) -> Batch:
    """Tells features from labels."""
    if mode == ModeKeys.PREDICT:
        # For prediction the first item of a tuple of any length is the features.
        features = result[0] if isinstance(result, list | tuple) else result
        return Batch(features, None, hooks)
    if isinstance(result, list | tuple):
        if len(result) != 2:
            raise ValueError(
                "input_fn should return (features, labels) as a len 2 tuple; got a "
                f"{type(result).__name__} of {len(result)}."
            )
        return Batch(result[0], result[1], hooks)
    return Batch(result, None, hooks)


def check_end_of_input(error: tf.errors.OutOfRangeError, batches: int) -> None:
    """Returns if `error` is the ordinary end of an input that gave at least one batch."""
    if error.op is not None and error.op.type not in _INPUT_OPS:
        raise RuntimeError(
            f"Op {error.op.name!r} of the model raised OutOfRangeError. It is not part of the "
            "input, so this is not the end of the data."
        ) from error
    if batches == 0:
        raise ValueError(
            "`input_fn` produced no batch: the input ended before the first step. Check the file "
            "patterns, and that the data has at least one full batch if drop_remainder is set."
        ) from error
