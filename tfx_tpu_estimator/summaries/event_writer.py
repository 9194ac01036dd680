"""Scalars in event files, as TensorBoard reads them."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

_logger = logging.getLogger(__name__)


def to_summary_value(name: str, value: Any) -> tf.compat.v1.Summary.Value | None:
    """Returns the form in which a metric's value goes into an event file, or None if it has none.

    Scalars become simple values, serialized `Summary` protos keep theirs, arrays become tensors.
    """
    if isinstance(value, bytes):
        summary = tf.compat.v1.Summary.FromString(value)
        return tf.compat.v1.Summary.Value(
            tag=name,
            **{f.name: v for f, v in summary.value[0].ListFields() if f.name != "tag"},
        )
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" and array.dtype != tf.bfloat16.as_numpy_dtype:
        return None
    if array.ndim == 0:
        return tf.compat.v1.Summary.Value(tag=name, simple_value=float(array))
    return tf.compat.v1.Summary.Value(tag=name, tensor=tf.make_tensor_proto(array))


def write_evaluation(
    eval_dir: str, results: dict[str, Any], global_step: int, checkpoint: str | None = None
) -> None:
    """Writes the results of one evaluation as an event of `eval_dir`, and closes the file.

    Args:
      eval_dir: Directory of the event file.
      results: Metric values by name.
      global_step: The step of the event.
      checkpoint: What was evaluated, written as the text `checkpoint_path`; None leaves it out.
    """
    summary = tf.compat.v1.Summary()
    if checkpoint is not None:
        summary.value.append(_to_text("checkpoint_path", checkpoint))
    for name, value in sorted(results.items()):
        if name == tf.compat.v1.GraphKeys.GLOBAL_STEP:
            continue
        proto = to_summary_value(name, value)
        if proto is None:
            _logger.warning("Metric %r of type %s has no summary form.", name, type(value).__name__)
            continue
        summary.value.append(proto)
    with tf.Graph().as_default():
        # Files are named by the second: two evaluations within one must not share a name.
        suffix = f".{uuid.uuid4().hex[:8]}"
        writer = tf.compat.v1.summary.FileWriter(eval_dir, filename_suffix=suffix)
        writer.add_summary(summary, global_step)
        writer.close()


def _to_text(name: str, text: str) -> tf.compat.v1.Summary.Value:
    metadata = tf.compat.v1.SummaryMetadata(
        plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="text")
    )
    return tf.compat.v1.Summary.Value(
        tag=name, metadata=metadata, tensor=tf.make_tensor_proto(text, dtype=tf.string)
    )


class TrainingRecorder:
    """Writes the loss of every training step, and the speed now and then, to an event file.

    Args:
      writer: A v1 FileWriter.
      batch_size: Examples per step, for `examples/sec`; None if unknown.
      log_every_steps: Steps between measurements of speed; None for none.
    """

    def __init__(self, writer, batch_size: int | None, log_every_steps: int | None):
        self._writer = writer
        self._batch_size = batch_size
        self._log_every_steps = log_every_steps
        self._mark: tuple[int, float] | None = None
        self.steps_per_second: float | None = None
        self.loss: float | None = None

    def record(self, step: int, loss: float, now: float) -> None:
        """Records one step.

        Args:
          step: The global step after the update.
          loss: The loss of that step.
          now: When it ended, in seconds since 1970.
        """
        self.record_run([step], [loss], [now])

    def record_run(
        self, steps: Sequence[int], losses: Sequence[float], times: Sequence[float]
    ) -> None:
        """Records steps that ran one after another before Python got its turn.

        Args:
          steps: The global step after each; not empty.
          losses: The loss of each.
          times: When each ended, in seconds since 1970.
        """
        for step, loss, time in zip(steps, losses, times, strict=True):
            # Made in place: this is what Python does most often.
            event = tf.compat.v1.Event(wall_time=time, step=step)
            event.summary.value.add(tag="loss", simple_value=loss)
            self._writer.add_event(event)
            if self._mark is None:
                self._mark = (step, time)
            elif self._log_every_steps and step - self._mark[0] >= self._log_every_steps:
                self._record_speed(step, time, *self._mark)
                self._mark = (step, time)
        self.loss = losses[-1]

    def describe(self) -> str:
        """Returns the latest loss and speed in words."""
        speed = f", {self.steps_per_second:.1f} steps/s" if self.steps_per_second else ""
        return f"loss {self.loss:.4f}{speed}" if self.loss is not None else ""

    def _record_speed(self, step: int, now: float, start: int, then: float) -> None:
        if now <= then:
            return
        self.steps_per_second = (step - start) / (now - then)
        values = {"global_step/sec": self.steps_per_second}
        if self._batch_size:
            values["examples/sec"] = self.steps_per_second * self._batch_size
        self._write(values, step)

    def _write(self, values: dict[str, float], step: int) -> None:
        summary = tf.compat.v1.Summary(
            value=[tf.compat.v1.Summary.Value(tag=k, simple_value=v) for k, v in values.items()]
        )
        self._writer.add_summary(summary, step)
