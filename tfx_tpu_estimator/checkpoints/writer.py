"""Writes checkpoints in the background, so that a kill at any moment leaves the previous one whole.

The order of a write, each step a rename:

    1. everything is written into the directory `.checkpoint-aside`
    2. <prefix>.input.json, <prefix>.meta, <prefix>.data-00000-of-00001, then <prefix>.index take
       their places: a checkpoint without an index is none
    3. the file `checkpoint` then names it: from here on it is the latest
    4. checkpoints that are no longer kept are deleted, the index first

Which checkpoints may be left over by a kill is noted aside, so that the next writer deletes them.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.checkpoints import files
from tfx_tpu_estimator.checkpoints.bundle_write import BundleWriter
from tfx_tpu_estimator.checkpoints.retention import Retention
from tfx_tpu_estimator.checkpoints.saved_tensors import SavedTensor
from tfx_tpu_estimator.checkpoints.state_file import (
    BASENAME,
    CheckpointState,
    KeptCheckpoint,
    format_state,
    list_kept,
    state_path,
)
from tfx_tpu_estimator.execution.host_arrays import copy_aligned
from tfx_tpu_estimator.tensorflow_messages import first_line

_logger = logging.getLogger(__name__)

_ASIDE = ".checkpoint-aside"
_NOTE = "unlisted"


class CheckpointWriter:
    """Writes the checkpoints of one model directory, which no other process may write to.

    Files are those of `tf.compat.v1.train.Saver`: `model.ckpt-<step>` and the state file
    `checkpoint`, with relative paths. At most one write is in flight, and at most one copy of the
    state is held besides the caller's. Methods are to be called from one thread.

    Args:
      model_dir: The directory; made if it does not exist.
      variables: What to write, from `list_saved_tensors` of the graph's Saver.
      max_to_keep: How many of the newest checkpoints to keep; None or 0 for all. Those of earlier
        runs count, as the state file lists them.
      keep_every_n_hours: Of those that would be deleted, one is kept for good every so many hours.
      meta_graph: What `<prefix>.meta` of every checkpoint holds; None for no such file.
      clock: Returns the time in seconds since 1970.

    Raises:
      ValueError: `max_to_keep` is negative or `keep_every_n_hours` not positive.

    Example:
      with CheckpointWriter("runs/m", list_saved_tensors(saver, graph)) as writer:
          writer.save(values, step=100)
    """

    def __init__(
        self,
        model_dir: str,
        variables: Sequence[SavedTensor],
        max_to_keep: int | None = 5,
        keep_every_n_hours: float = 10_000.0,
        *,
        meta_graph: bytes | None = None,
        clock: Callable[[], float] = time.time,
    ):
        self._retention = Retention(max_to_keep=max_to_keep, keep_every_n_hours=keep_every_n_hours)
        self._model_dir = os.fspath(model_dir)
        self._aside = os.path.join(self._model_dir, _ASIDE)
        self._meta_graph = meta_graph
        self._clock = clock
        self._tensors = {t.source: t for t in variables}
        tf.io.gfile.makedirs(self._model_dir)
        self._kept, self._last_preserved = self._read_earlier()
        self._delete_unlisted()
        files.remove_directory(self._aside)
        self._bundle = BundleWriter(variables)
        self._thread: threading.Thread | None = None
        self._error: OSError | None = None
        self._closed = False

    @property
    def latest_checkpoint(self) -> str | None:
        """Prefix of the newest checkpoint that is written; one in flight does not count."""
        return self._kept[-1].prefix if self._kept else None

    def save(
        self,
        values: Mapping[str, np.ndarray],
        step: int,
        *,
        payload: bytes | Callable[[], bytes] | None = None,
        copy: bool = True,
        wait: bool = False,
    ) -> str:
        """Starts to write a checkpoint; waits for the one before, if that is still being written.

        Args:
          values: {variable name: array} with every variable's name, shape and type.
          step: The global step, which gives the checkpoint its name.
          payload: Bytes for `<prefix>.input.json`, or a function that returns them and is called
            before this returns; None for no such file.
          copy: Whether to copy the arrays before this returns. False: nobody changes them until
            the write has ended, so that they are read where they are; those that do not start at
            a multiple of 64 bytes TensorFlow copies all the same (see `host_arrays.copy_aligned`).
          wait: Whether to return only when the checkpoint is on disk.

        Returns:
          The prefix that the checkpoint has, or will have.

        Raises:
          ValueError: `values` lacks a variable, or has one of another shape or type.
          OSError: An earlier checkpoint, or with `wait` this one, could not be written.
          RuntimeError: The writer is closed.
        """
        if self._closed:
            raise RuntimeError("The CheckpointWriter is closed; make a new one.")
        arrays = self._validate_values(values)
        self.wait()  # before anything is copied: never two copies at a time
        if copy:
            arrays = {name: copy_aligned(value) for name, value in arrays.items()}
        content = payload() if callable(payload) else payload
        prefix = os.path.join(self._model_dir, f"{BASENAME}-{int(step)}")
        self._thread = threading.Thread(
            target=self._run, args=(prefix, arrays, content), name=f"checkpoint-{step}"
        )
        self._thread.start()
        if wait:
            self.wait()
        return prefix

    def wait(self) -> None:
        """Returns when no write is in flight.

        Raises:
          OSError: A checkpoint could not be written. It is raised once.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def close(self) -> None:
        """Waits for the write in flight and frees everything; further calls do nothing.

        Raises:
          OSError: A checkpoint could not be written and that was not raised before.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self.wait()
        finally:
            self._bundle.close()

    def __enter__(self) -> CheckpointWriter:
        return self

    def __exit__(self, kind, error, traceback) -> None:
        try:
            self.close()
        except OSError as failure:
            if error is None:
                raise
            # The error that ends the run is the one to report.
            _logger.error("%s", failure)

    def _validate_values(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        missing = sorted(set(self._tensors) - set(values))
        if missing:
            raise ValueError(
                f"`values` lacks the variables {missing}; every variable of the checkpoint is "
                "needed."
            )
        arrays = {name: np.asarray(values[name]) for name in self._tensors}
        for name, tensor in self._tensors.items():
            got = arrays[name]
            if not tensor.shape.is_compatible_with(got.shape):
                raise ValueError(
                    f"`values[{name!r}]` has shape {list(got.shape)}; the variable has "
                    f"{tensor.shape.as_list()}."
                )
            # numpy holds strings as objects or bytes of a fixed length.
            if tensor.dtype != tf.string and tf.as_dtype(got.dtype) != tensor.dtype:
                raise ValueError(
                    f"`values[{name!r}]` is {got.dtype}; the variable is {tensor.dtype.name}."
                )
        return arrays

    def _read_earlier(self) -> tuple[tuple[KeptCheckpoint, ...], float]:
        kept, last_preserved = list_kept(self._model_dir)
        if last_preserved is None:
            last_preserved = kept[0].timestamp if kept else self._clock()
        return kept, last_preserved

    def _delete_unlisted(self) -> None:
        """Deletes what a writer that was killed had not listed yet, or no longer."""
        kept = {os.path.basename(c.prefix) for c in self._kept}
        for name in files.read_lines(os.path.join(self._aside, _NOTE)) if kept else ():
            if name not in kept:
                files.delete_checkpoint(os.path.join(self._model_dir, name))

    def _note_unlisted(self, *prefixes: str) -> None:
        names = map(os.path.basename, prefixes)
        files.write_bytes(os.path.join(self._aside, _NOTE), "\n".join(names).encode())

    def _run(self, prefix: str, arrays: dict[str, np.ndarray], payload: bytes | None) -> None:
        """The thread: writes, and leaves its error for the next call."""
        try:
            self._write(prefix, arrays, payload)
        except Exception as error:
            failure = OSError(
                f"Could not write checkpoint {prefix}: {first_line(error)}. Checkpoints "
                "before it are untouched; make room or give another `model_dir`, then train again."
            )
            failure.__cause__ = error
            self._error = failure

    def _write(self, prefix: str, arrays: dict[str, np.ndarray], payload: bytes | None) -> None:
        tf.io.gfile.makedirs(self._aside)
        try:
            aside = os.path.join(self._aside, os.path.basename(prefix))
            self._bundle.write(aside, arrays)
            if payload is not None:
                files.write_bytes(files.payload_path(aside), payload)
            if self._meta_graph is not None:
                files.write_bytes(files.meta_path(aside), self._meta_graph)
            protected = self._protect(prefix, aside)
            self._note_unlisted(prefix)
            files.move_checkpoint(aside, prefix)
            self._record(prefix, protected)
        finally:
            files.remove_directory(self._aside)

    def _protect(self, prefix: str, aside: str) -> str | None:
        """Keeps a copy of a checkpoint of the same step while its files are replaced one by one."""
        listed = any(c.prefix == prefix for c in self._kept)
        if not listed or not files.is_replaced_by_other(prefix, aside):
            return None
        copy = f"{prefix}-replaced"
        self._note_unlisted(copy)
        files.copy_checkpoint(prefix, copy)
        self._write_state((*self._without(prefix, copy), KeptCheckpoint(copy, self._clock())))
        return copy

    def _record(self, prefix: str, protected: str | None) -> None:
        """Names the checkpoint as the latest, then deletes what is no longer kept."""
        now = KeptCheckpoint(prefix, self._clock())
        others = self._without(prefix, protected)
        selection = self._retention.select((*others, now), self._last_preserved)
        self._last_preserved = selection.last_preserved
        going = (*selection.deleted, *([protected] if protected else []))
        self._note_unlisted(prefix, *going)
        self._write_state(selection.kept)
        self._kept = selection.kept
        for gone in going:
            files.delete_checkpoint(gone)

    def _without(self, *prefixes: str | None) -> tuple[KeptCheckpoint, ...]:
        return tuple(c for c in self._kept if c.prefix not in prefixes)

    def _write_state(self, kept: tuple[KeptCheckpoint, ...]) -> None:
        state = CheckpointState(
            latest=kept[-1].prefix, kept=kept, last_preserved=self._last_preserved
        )
        aside = os.path.join(self._aside, "checkpoint")
        files.write_bytes(aside, format_state(state).encode())
        tf.io.gfile.rename(aside, state_path(self._model_dir), overwrite=True)
