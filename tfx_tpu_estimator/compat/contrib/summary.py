"""`tf.contrib.summary` on the summary writers of TensorFlow 2."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

_v1 = tf.compat.v1
_summary = tf.compat.v2.summary


def create_file_writer(
    logdir: str,
    max_queue: int | None = None,
    flush_millis: int | None = None,
    filename_suffix: str | None = None,
    name: str | None = None,
) -> Any:
    """Returns a summary writer; `with writer.as_default():` makes it the one that is used.

    Args:
        logdir: Directory of the event file.
        max_queue: Events kept before they are written.
        flush_millis: Milliseconds after which they are written at the latest.
        filename_suffix: End of the file's name.
        name: Name of the ops.
    """
    return _summary.create_file_writer(
        logdir,
        max_queue=max_queue,
        flush_millis=flush_millis,
        filename_suffix=filename_suffix,
        name=name,
    )


def scalar(name: str, tensor: Any, family: str | None = None, step: Any = None) -> Any:
    """Writes a number; the step is the global one unless given."""
    value = tf.reshape(tf.convert_to_tensor(tensor), [])
    return _summary.scalar(_full_name(name, family), value, step=_resolve_step(step))


def histogram(name: str, tensor: Any, family: str | None = None, step: Any = None) -> Any:
    """Writes a distribution of values; the step is the global one unless given."""
    return _summary.histogram(_full_name(name, family), tensor, step=_resolve_step(step))


def image(
    name: str,
    tensor: Any,
    bad_color: Any = None,
    max_images: int = 3,
    family: str | None = None,
    step: Any = None,
) -> Any:
    """Writes images [n, height, width, channels]; `bad_color` has no effect."""
    full_name = _full_name(name, family)
    return _summary.image(full_name, tensor, step=_resolve_step(step), max_outputs=max_images)


def all_summary_ops() -> Any:
    """Returns the ops of all summaries of the graph."""
    return _v1.summary.all_v2_summary_ops()


def always_record_summaries() -> contextlib.AbstractContextManager[Any]:
    """Records summaries inside the block."""
    return _summary.record_if(True)


def never_record_summaries() -> contextlib.AbstractContextManager[Any]:
    """Records no summaries inside the block."""
    return _summary.record_if(False)


@contextlib.contextmanager
def record_summaries_every_n_global_steps(n: int, global_step: Any = None) -> Iterator[None]:
    """Records summaries inside the block when the global step is a multiple of `n`."""
    step = _resolve_step(global_step)
    with _summary.record_if(tf.equal(tf.math.floormod(step, tf.cast(n, step.dtype)), 0)):
        yield


def should_record_summaries() -> Any:
    """Returns whether summaries are recorded here: a bool or a scalar tensor."""
    return _summary.should_record_summaries()


def initialize(graph: Any = None, session: Any = None) -> None:
    """Initialises the default writer in a session, and writes the graph if given."""
    _v1.summary.initialize(graph, session)


def flush(writer: Any = None, name: str | None = None) -> Any:
    """Returns an op that writes what a writer holds back."""
    return _summary.flush(writer, name)


def _full_name(name: str, family: str | None) -> str:
    return f"{family}/{name}" if family else name


def _resolve_step(step: Any) -> Any:
    if step is None:
        step = _v1.train.get_or_create_global_step()
    return tf.cast(tf.convert_to_tensor(step), tf.int64)
