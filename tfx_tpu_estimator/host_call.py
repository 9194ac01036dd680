"""A TPUEstimatorSpec's functions for the host: calling them, and running a host_call each step."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf


def validate_host_function(pair: Any, what: str) -> None:
    """Checks a (function, tensors) pair before anything is built from it.

    Args:
        pair: the argument given.
        what: 'eval_metrics' or 'host_call', for the message.

    Raises:
        ValueError: if it is no pair, its tensors are no list, tuple or dict, or the function
            cannot be called with them.
        TypeError: if its first element cannot be called.
    """
    if not isinstance(pair, tuple | list):
        raise ValueError(f"`{what}` should be tuple or list (function, tensors); got {pair!r}.")
    if len(pair) != 2:
        raise ValueError(
            f"`{what}` should have two elements, (function, tensors); got {len(pair)}: {pair!r}."
        )
    function, tensors = pair
    if not callable(function):
        raise TypeError(f"`{what}[0]` should be callable; got {function!r}.")
    if not isinstance(tensors, tuple | list | dict):
        raise ValueError(f"`{what}[1]` should be tuple or list, or dict; got {tensors!r}.")
    _validate_arguments(function, tensors, what)


def call_host_function(pair: Sequence[Any]) -> Any:
    """Calls the function of a checked pair with its tensors.

    Args:
        pair: (function, tensors); a dict of tensors is passed by keyword, anything else by
            position.

    Returns:
        What the function returns.
    """
    function, tensors = pair
    if isinstance(tensors, Mapping):
        return function(**tensors)
    return function(*tensors)


class HostCallHook(tf.compat.v1.train.SessionRunHook):
    """Runs a host_call's operations in every step, and looks after its summary writers.

    The writers that `tf.summary.create_file_writer` made in the graph are opened when a session
    starts and written out and closed when it ends; without that a graph writes no event file.

    Example:
        >>> with tf.Graph().as_default():
        ...     hook = HostCallHook([tf.no_op()])
        >>> len(hook.fetches)
        1
    """

    def __init__(self, fetches: Sequence[Any]):
        """Keeps the operations.

        Args:
            fetches: operations or tensors to run in every step.
        """
        self._fetches = list(fetches)
        self._open_ops: list[tf.Operation] = []
        self._close_ops: list[tf.Operation] = []

    @property
    def fetches(self) -> list[Any]:
        """What is run in every step."""
        return list(self._fetches)

    def begin(self) -> None:
        """Adds the operations that close the graph's writers, while the graph can still grow."""
        operations = tf.compat.v1.get_default_graph().get_operations()
        self._open_ops = [op for op in operations if op.type == "CreateSummaryFileWriter"]
        self._close_ops = [
            tf.raw_ops.CloseSummaryWriter(writer=op.outputs[0])
            for op in operations
            if op.type == "SummaryWriter"
        ]

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Opens the writers, again for each session that replaces a lost one."""
        del coord
        session.run(self._open_ops)

    def before_run(self, run_context: Any) -> Any:
        """Asks for the operations in the coming step."""
        del run_context
        return tf.compat.v1.train.SessionRunArgs(self._fetches)

    def end(self, session: Any) -> None:
        """Writes out and closes the event files."""
        session.run(self._close_ops)


def build_host_call_hook(host_call: Sequence[Any]) -> HostCallHook:
    """Calls a host_call's function on its tensors as they are, and wraps the result in a hook.

    Args:
        host_call: a checked (function, tensors) pair.

    Returns:
        The hook that runs the function's operations in every step.

    Raises:
        ValueError: if the function returns nothing that can be run.
    """
    result = call_host_function(host_call)
    fetches = [] if result is None else tf.nest.flatten(result)
    if result is None or not all(isinstance(f, tf.Operation) or tf.is_tensor(f) for f in fetches):
        raise ValueError(
            f"`host_call[0]` must return a list of tensors or operations to run; got {result!r}. "
            "After writing summaries, return tf.compat.v1.summary.all_v2_summary_ops()."
        )
    return HostCallHook(fetches)


def _validate_arguments(function: Callable[..., Any], tensors: Any, what: str) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # a built-in that does not say what it takes: calling it will tell
    takes = len(signature.parameters)
    try:
        if isinstance(tensors, Mapping):
            signature.bind(**tensors)
        else:
            signature.bind(*tensors)
    except TypeError as error:
        given = sorted(map(str, tensors)) if isinstance(tensors, Mapping) else len(tensors)
        raise ValueError(
            f"In TPUEstimatorSpec.{what}, length of tensors {len(tensors)} does not match method "
            f"args of the function, which takes {takes} {signature} and was given {given}: {error}."
        ) from error
