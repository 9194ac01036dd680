"""The host's half of a run on devices: a session on the traced graph, and its variables.

The variables live on the devices while a run goes on; those of the session are a mirror of them,
refreshed when something on the host is about to read them.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.execution.embedded_program import EmbeddedProgram
from tfx_tpu_estimator.execution.host_graph import session_config
from tfx_tpu_estimator.execution.state import read_state
from tfx_tpu_estimator.lowering.program import Program
from tfx_tpu_estimator.lowering.trace import TracedModel


@dataclasses.dataclass
class DeviceState:
    """The state of a run on devices: it changes with every loop.

    Attributes:
      variables: Device arrays by variable name.
      step: The global step that they are at.
    """

    variables: Mapping[str, Any]
    step: int


class HostMirror:
    """Writes values of the devices into the variables of a session.

    Made while the graph can still grow.

    Args:
      traced: The model.
      program: Whose state the devices hold.

    Attributes:
      graph: The traced graph.
      read_step: The global step.
      own_ops: What the mirror assigns with.
      variables_on_devices: Those that the program uses by name, but for the global step.
    """

    def __init__(self, traced: TracedModel, program: Program | EmbeddedProgram):
        on_devices = {signature.name for signature in program.state}
        updated = {signature.name for signature in program.updated_state}
        variables = {v.op.name: v for v in traced.variables}
        self.graph = traced.graph
        self._of_program = {n: v for n, v in variables.items() if n in on_devices}
        # A step leaves these as the session has them.
        self._of_session = {n: v for n, v in variables.items() if n not in updated}
        step = traced.global_step
        self._step_name = step.op.name
        self._of_session.pop(self._step_name, None)
        self._updated = updated - {self._step_name}
        self._layouts = program.layouts if isinstance(program, EmbeddedProgram) else {}
        with traced.host_scope("The mirror of the variables"), tf.name_scope("mirror"):
            self._feeds = {
                name: tf.compat.v1.placeholder(v.dtype.base_dtype, v.shape)
                for name, v in variables.items()
                if name in self._updated or name == self._step_name
            }
            self._assigns = {
                name: variables[name].assign(feed).op for name, feed in self._feeds.items()
            }
            self._step_dtype = step.dtype.base_dtype.as_numpy_dtype
            self.read_step = step.read_value()
        self.own_ops = frozenset(self._assigns.values())
        self.variables_on_devices = {
            n: v for n, v in self._of_program.items() if n != self._step_name
        }

    def read_initial(self, session: tf.compat.v1.Session) -> dict[str, np.ndarray]:
        """Returns the session's values of the variables that the program uses."""
        return session.run(self._of_program)

    def read_all(self, session: tf.compat.v1.Session, state: DeviceState) -> dict[str, np.ndarray]:
        """Returns the value of every variable, from where it is up to date; waits for it."""
        values = session.run(self._of_session)
        values.update(self._read_updated(state))
        values[self._step_name] = np.asarray(state.step, self._step_dtype)
        return values

    def refresh(self, session: tf.compat.v1.Session, state: DeviceState) -> None:
        """Copies what the program updates from the devices to the session."""
        self.assign(session, self._read_updated(state))

    def merge(self, state: DeviceState, values: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Returns the state with other values for some variables, for `place_state`.

        Args:
          state: What is on the devices.
          values: Whole arrays by variable name.
        """
        # What is divided over the devices is placed from the whole.
        divided = {n: state.variables[n] for n in self._layouts if n not in values}
        return {**state.variables, **read_state(divided, self._layouts), **values}

    def _read_updated(self, state: DeviceState) -> dict[str, np.ndarray]:
        return read_state({name: state.variables[name] for name in self._updated}, self._layouts)

    def assign(self, session: tf.compat.v1.Session, values: Mapping[str, np.ndarray]) -> None:
        """Gives variables of the session new values."""
        given = [name for name in self._feeds if name in values]
        session.run(
            [self._assigns[name] for name in given],
            {self._feeds[name]: values[name] for name in given},
        )

    def set_step(self, session: tf.compat.v1.Session, step: int) -> None:
        """Tells the session the global step."""
        self.assign(session, {self._step_name: np.asarray(step, self._step_dtype)})


@contextlib.contextmanager
def open_session(
    traced: TracedModel,
    *,
    hooks: Sequence[tf.compat.v1.train.SessionRunHook],
    scaffold: tf.compat.v1.train.Scaffold,
    config: Any,
    checkpoint: str | None,
    master: str | None,
) -> Iterator[tf.compat.v1.train.SingularMonitoredSession]:
    """Opens a session on the traced graph, with variables initialised or restored.

    Args:
      traced: The model; its graph must not be finalised yet.
      hooks: Their `begin` may still add to the graph.
      scaffold: How to initialise and restore.
      config: The RunConfig.
      checkpoint: Prefix of the checkpoint to restore; None to initialise.
      master: Address of the session.
    """
    with (
        traced.graph.as_default(),
        tf.compat.v1.train.SingularMonitoredSession(
            hooks=list(hooks),
            scaffold=scaffold,
            master=master or "",
            config=session_config(config),
            checkpoint_filename_with_path=checkpoint,
        ) as session,
    ):
        yield session
