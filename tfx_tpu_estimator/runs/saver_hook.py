"""Checkpoints of a run on devices, saved between its loops."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.checkpoints.policies import SavePolicy
from tfx_tpu_estimator.checkpoints.writer import CheckpointWriter
from tfx_tpu_estimator.inputs.position import remove_position
from tfx_tpu_estimator.runs.host_session import DeviceState, HostMirror
from tfx_tpu_estimator.runs.session_writes import SessionWrites


class MirrorHook(tf.compat.v1.train.SessionRunHook):
    """Brings the session's variables up to date before other hooks look at them, and back after.

    It must come first. It costs a copy of the state per loop, so it is there only when a run has
    hooks of the user's.

    Args:
      mirror: The session's variables.
      state: The state of the run.
      writes: Brings to the devices what hooks assign.
    """

    def __init__(self, mirror: HostMirror, state: DeviceState, writes: SessionWrites):
        self._mirror = mirror
        self._state = state
        self._writes = writes

    def after_create_session(self, session: tf.compat.v1.Session, coord: Any) -> None:
        """Looks on from before any hook can keep a callable of the session."""
        del coord
        self._writes.watch(session)

    def before_run(self, run_context: tf.compat.v1.train.SessionRunContext) -> None:
        """Copies the state after the loop that has just run."""
        self._mirror.refresh(run_context.session, self._state)

    def after_run(self, run_context: tf.compat.v1.train.SessionRunContext, run_values: Any) -> None:
        """Brings what was assigned so far to the devices, before anything is saved."""
        del run_values
        self._writes.bring(run_context.session)


class DeviceSaverHook(tf.compat.v1.train.SessionRunHook):
    """Saves when the policy says so, first at the start and last at the end.

    The values are copied from the devices; the files are written in the background. Listeners see
    the session's variables up to date, and the files written.

    Args:
      policy: When to save.
      make_writer: Makes the writer once the graph has its saver.
      listeners: CheckpointSaverListeners.
      mirror: The session's variables.
      state: The state of the run.
      writes: Brings to the devices what listeners assign.
      get_payload: Returns what to save beside the variables: the position of the input.
    """

    def __init__(
        self,
        policy: SavePolicy,
        make_writer: Callable[[], CheckpointWriter],
        listeners: Sequence[tf.compat.v1.train.CheckpointSaverListener],
        mirror: HostMirror,
        state: DeviceState,
        writes: SessionWrites,
        get_payload: Callable[[], bytes | None],
    ):
        self._policy = policy
        self._make_writer = make_writer
        self._listeners = listeners
        self._mirror = mirror
        self._state = state
        self._writes = writes
        self._get_payload = get_payload
        self._writer: CheckpointWriter | None = None
        self._saved_step: int | None = None
        self._saved_at = 0.0

    @property
    def latest_checkpoint(self) -> str | None:
        """Prefix of the newest checkpoint that is written."""
        return None if self._writer is None else self._writer.latest_checkpoint

    def begin(self) -> None:
        """Lets listeners add to the graph."""
        for listener in self._listeners:
            listener.begin()

    def after_create_session(self, session: tf.compat.v1.Session, coord) -> None:
        """Opens the directory for writing."""
        del session, coord
        self._writer = self._make_writer()

    def start(self, session: tf.compat.v1.Session) -> bool:
        """Saves the state before the first step; returns whether a listener wants to stop."""
        return self._save_if(self._policy.is_due(self._state.step, None, 0.0), session)

    def after_run(self, run_context, run_values) -> None:
        """Saves after a loop if it is time."""
        del run_values
        seconds = time.monotonic() - self._saved_at
        due = self._policy.is_due(self._state.step, self._saved_step, seconds)
        if self._save_if(due, run_context.session):
            run_context.request_stop()

    def end(self, session: tf.compat.v1.Session) -> None:
        """Saves the last state, and returns when it is on disk."""
        try:
            due = self._policy.is_due_at_end(self._state.step, self._saved_step)
            self._save_if(due, session)
        finally:
            self.close()
        if self._get_payload() is None and self.latest_checkpoint is not None:
            # It may have been saved with one, before it was known that it is the last.
            remove_position(self.latest_checkpoint)
        for listener in self._listeners:
            listener.end(session, self._state.step)

    def close(self) -> None:
        """Waits for a write in flight."""
        # There is no writer where the session could not be opened.
        if self._writer is not None:
            self._writer.close()

    def _save_if(self, due: bool, session: tf.compat.v1.Session) -> bool:
        if not due or self._writer is None:
            return False
        step = self._state.step
        # Before anything is copied: never two copies of the state at a time.
        self._writer.wait()
        values = self._mirror.read_all(session, self._state)
        if self._listeners:
            self._mirror.assign(session, values)
        for listener in self._listeners:
            listener.before_save(session, step)
        if self._listeners:
            # Such as the averages of variables, put in their place to be saved.
            values.update(self._writes.bring(session))
        # Nobody else holds the arrays, so that the writer may read them where they are.
        self._writer.save(values, step, payload=self._get_payload(), copy=False)
        self._saved_step, self._saved_at = step, time.monotonic()
        if not self._listeners:
            return False
        self._writer.wait()
        wishes = [listener.after_save(session, step) for listener in self._listeners]
        self._writes.bring(session)
        return any(wishes)
