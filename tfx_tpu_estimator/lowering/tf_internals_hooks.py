"""What the runtime needs of TensorFlow's session hooks that has no public name.

Seen working with TensorFlow 2.16.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import tensorflow as tf
from tensorflow.python.training import training_util as _training_util


def get_step_read(graph: tf.Graph) -> tf.Tensor:
    """Returns the read of the global step that TensorFlow's hooks fetch with every run.

    They count on its value being that from before the steps of the run.

    Args:
      graph: A training graph that can still grow.
    """
    read = _training_util._get_or_create_global_step_read(graph)
    assert isinstance(read, tf.Tensor), "a training graph has a global step"
    return read


def set_steps_per_run(hook: tf.compat.v1.train.CheckpointSaverHook, steps: int) -> None:
    """Tells a hook by how many steps the coming run may bring the global step forward.

    Else it would ask whether a checkpoint is due after the first of them only.
    """
    hook._set_steps_per_run(steps)


def get_save_path(hook: tf.compat.v1.train.CheckpointSaverHook) -> str:
    """Returns the prefix of a hook's checkpoints, to which it adds `-<step>`."""
    return hook._save_path


@contextlib.contextmanager
def saving_listeners(
    hook: tf.compat.v1.train.CheckpointSaverHook, listeners: Sequence
) -> Iterator[None]:
    """Gives a hook that may be the user's more listeners inside the block."""
    known = hook._listeners
    known.extend(listeners)
    try:
        yield
    finally:
        for listener in listeners:
            known.remove(listener)
