"""Reads scalars back from event files."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

_logger = logging.getLogger(__name__)

_PATTERN = "events.out.tfevents.*"

# [(global step, {tag: value})] in the order of a file.
_Events = list[tuple[int, dict[str, float]]]


def read_scalars(directory: str) -> dict[int, dict[str, float]]:
    """Returns the scalars in the event files of a directory.

    Of two values with one tag and step, the one in the later file counts.

    Args:
      directory: Where the event files are; it need not exist.

    Returns:
      {global step: {tag: value}}, steps ascending.

    Example:
      >>> read_scalars("no/such/directory")
      {}
    """
    return EventFiles.of_directory(directory).read()


class EventFiles:
    """Event files that are read again and again while more are written.

    Args:
      pattern: Path of the files, with `*` and `?`.

    Example:
      >>> EventFiles("no/such/*").read()
      {}
    """

    def __init__(self, pattern: str):
        self._pattern = pattern
        # {path: (length, time of change, content)}: a file that has not changed is not read again.
        self._known: dict[str, tuple[int, int, _Events]] = {}

    @classmethod
    def of_directory(cls, directory: str) -> EventFiles:
        """The event files of a directory."""
        return cls(os.path.join(directory, _PATTERN))

    def read(self) -> dict[int, dict[str, float]]:
        """Returns the scalars of all files; see `read_scalars`."""
        found: dict[int, dict[str, float]] = {}
        # The names hold the time at which they were made.
        for path in sorted(tf.io.gfile.glob(self._pattern), key=os.path.basename):
            for step, scalars in self._read_file(path):
                found.setdefault(step, {}).update(scalars)
        return dict(sorted(found.items()))

    def _read_file(self, path: str) -> _Events:
        try:
            stat = tf.io.gfile.stat(path)
        except tf.errors.NotFoundError:
            # It was deleted meanwhile.
            return []
        known = self._known.get(path)
        if known is None or known[:2] != (stat.length, stat.mtime_nsec):
            known = (stat.length, stat.mtime_nsec, list(_iterate_scalars(path)))
            self._known[path] = known
        return known[2]


def _iterate_scalars(path: str) -> Iterator[tuple[int, dict[str, float]]]:
    """Yields the scalars of a file that may still be written to, or was cut off."""
    try:
        for event in tf.compat.v1.train.summary_iterator(path):
            values = {v.tag: _to_scalar(v) for v in event.summary.value}
            scalars = {tag: value for tag, value in values.items() if value is not None}
            if scalars:
                yield event.step, scalars
    except tf.errors.DataLossError as error:
        _logger.warning("%s is not read further: its rest is damaged (%s).", path, error.message)
    except tf.errors.NotFoundError:
        _logger.warning("%s was deleted before it could be read.", path)


def _to_scalar(value: Any) -> float | None:
    """Returns a summary value as a float; None for what is no scalar."""
    if value.HasField("simple_value"):
        return value.simple_value
    # Scalars of `tf.summary` are tensors.
    if not value.HasField("tensor"):
        return None
    array = tf.make_ndarray(value.tensor)
    if array.ndim != 0 or not np.issubdtype(array.dtype, np.number):
        return None
    return float(array)
