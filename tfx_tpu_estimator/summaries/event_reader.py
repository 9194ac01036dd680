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
    return read_scalars_of_files(os.path.join(directory, _PATTERN))


def read_scalars_of_files(pattern: str) -> dict[int, dict[str, float]]:
    """Returns the scalars in the event files that match a pattern; see `read_scalars`.

    Args:
      pattern: Path of the files, with `*` and `?`.
    """
    found: dict[int, dict[str, float]] = {}
    # The names hold the time at which they were made.
    for path in sorted(tf.io.gfile.glob(pattern), key=os.path.basename):
        for event in _iterate_events(path):
            values = {v.tag: _to_scalar(v) for v in event.summary.value}
            scalars = {tag: value for tag, value in values.items() if value is not None}
            if scalars:
                found.setdefault(event.step, {}).update(scalars)
    return dict(sorted(found.items()))


def _iterate_events(path: str) -> Iterator[Any]:
    """Yields the events of a file that may still be written to, or was cut off."""
    try:
        yield from tf.compat.v1.train.summary_iterator(path)
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
