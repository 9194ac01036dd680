"""The position of the input goes with the checkpoints that TensorFlow's own hook saves."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.execution.host_graph import HostGraph
from tfx_tpu_estimator.inputs.position import (
    InputPosition,
    remove_orphans,
    remove_position,
    save_position,
)
from tfx_tpu_estimator.lowering.tf_internals_hooks import get_save_path, saving_listeners

_logger = logging.getLogger(__name__)


class PositionSaver(tf.compat.v1.train.CheckpointSaverListener):
    """Writes the position before a checkpoint, and deletes those of checkpoints that are gone.

    Args:
      save_path: What the hook's checkpoints are called, without `-<step>`.
      read: Returns the position as of now, given the session; None for the start of the input.
    """

    def __init__(self, save_path: str, read: Callable[[tf.compat.v1.Session], Any]):
        self._save_path = save_path
        self._read = read

    def before_save(self, session: tf.compat.v1.Session, global_step_value: int) -> None:
        """Writes the position first: a checkpoint without one would start the input anew."""
        prefix = f"{self._save_path}-{global_step_value}"
        position = self._read(session)
        if position is None:
            remove_position(prefix)
            return
        tf.io.gfile.makedirs(os.path.dirname(prefix))
        save_position(prefix, position)

    def after_save(self, session: tf.compat.v1.Session, global_step_value: int) -> None:
        """Deletes what the Saver, which deletes old checkpoints, knows nothing of."""
        del session, global_step_value
        remove_orphans(os.path.dirname(self._save_path))

    def end(self, session: tf.compat.v1.Session, global_step_value: int) -> None:
        """Takes the position off a checkpoint of which it is known only now that it is the last."""
        if self._read(session) is None:
            remove_position(f"{self._save_path}-{global_step_value}")


@contextlib.contextmanager
def positions_saved(
    hooks: Sequence[tf.compat.v1.train.SessionRunHook],
    read: Callable[[tf.compat.v1.Session], InputPosition | None],
) -> Iterator[None]:
    """Saves the position with all checkpoints of the block.

    Args:
      hooks: The CheckpointSaverHooks among them save; what is put on them is taken off again.
      read: As for `PositionSaver`.
    """
    with contextlib.ExitStack() as stack:
        for hook in hooks:
            if isinstance(hook, tf.compat.v1.train.CheckpointSaverHook):
                listener = PositionSaver(get_save_path(hook), read)
                stack.enter_context(saving_listeners(hook, [listener]))
        yield


class HostInputHook(tf.compat.v1.train.SessionRunHook):
    """Starts the input of a training on the host where its position says; it must come first.

    Args:
      built: The graph.
      start: The position that training starts at.
      is_interrupted: Returns, at the end, whether another training is to go on from here.
    """

    def __init__(self, built: HostGraph, start: InputPosition, is_interrupted: Callable[[], bool]):
        self._built = built
        self._start = start
        self._is_interrupted = is_interrupted
        self._finished = False

    def after_create_session(self, session: tf.compat.v1.Session, coord: Any) -> None:
        """Sets the counter, and reads what was read before if the input cannot skip it itself."""
        del coord
        counter = self._built.counter
        if counter is None:
            return
        session.run(counter.initializer)
        if counter.start:
            _logger.info("The input goes on after %d batches.", counter.start)
        if self._built.to_skip:
            read = session.make_callable(list(self._built.to_skip))
            with contextlib.suppress(tf.errors.OutOfRangeError):  # the first step says so again
                for _ in range(counter.start):
                    read()

    def end(self, session: tf.compat.v1.Session) -> None:
        """Called before the last checkpoint is saved."""
        del session
        self._finished = not self._is_interrupted()

    def read(self, session: tf.compat.v1.Session) -> InputPosition | None:
        """Returns the position; None when the training has ended as it should."""
        counter = self._built.counter
        if self._finished or counter is None:
            return None
        return self._start.advance(counter.read(session) - counter.start, (1,))
