"""The event file of a training, shared with TensorFlow's own hooks."""

from __future__ import annotations

import time

import tensorflow as tf


def open_training_writer(directory: str) -> tf.compat.v1.summary.FileWriter:
    """Returns the writer of `directory` that TensorFlow's hooks will find in their cache.

    TensorFlow names event files by the second, so that a second writer within one second would
    write over the events of the first. This waits until the name is free, for a second at most.

    Args:
      directory: Where events go.
    """
    while _name_is_taken(directory):
        time.sleep(0.02)
    return tf.compat.v1.summary.FileWriterCache.get(directory)


def close_training_writers() -> None:
    """Writes out and closes what `open_training_writer` opened."""
    tf.compat.v1.summary.FileWriterCache.clear()


def _name_is_taken(directory: str) -> bool:
    return bool(tf.io.gfile.glob(f"{directory}/events.out.tfevents.{int(time.time())}.*"))
