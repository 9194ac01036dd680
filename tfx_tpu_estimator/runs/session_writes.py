"""What hooks assign in the session of a run on devices: noticed, and brought to the devices."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.execution.distributed import ProcessGroup
from tfx_tpu_estimator.runs.host_session import DeviceState, HostMirror

# Ops that take the handle of a variable and leave it as it is.
_READERS = ("ReadVariableOp", "VarIsInitializedOp", "VariableShape", "ResourceGather", "Identity")


class SessionWrites:
    """Brings variables to the devices that something on the host has assigned in the session.

    It looks at what each run of the session fetches, and asks for the values of those variables
    only that an op before it may have written: hooks that read cost nothing.

    Args:
      mirror: The session's variables.
      state: The state of the run.
      executable: Places variables on the devices.
      group: The processes of the run; only a single one can share what a hook assigns.
    """

    def __init__(
        self, mirror: HostMirror, state: DeviceState, executable: Any, group: ProcessGroup
    ):
        self._mirror = mirror
        self._state = state
        self._executable = executable
        self._group = group
        self._names = {v.handle.op.name: name for name, v in mirror.variables_on_devices.items()}
        self._written: set[str] = set()
        self._known: dict[str, frozenset[str]] = {}

    def watch(self, session: tf.compat.v1.Session) -> None:
        """Looks on from now on; once is enough.

        Args:
          session: The one that hooks get.
        """
        if "run" in vars(session):
            return
        run, make_callable = session.run, session.make_callable

        @functools.wraps(run)
        def watched_run(fetches: Any, *arguments: Any, **keywords: Any) -> Any:
            self._note(fetches)
            return run(fetches, *arguments, **keywords)

        @functools.wraps(make_callable)
        def make_watched_callable(fetches: Any, *arguments: Any, **keywords: Any) -> Any:
            made = make_callable(fetches, *arguments, **keywords)

            def call(*values: Any) -> Any:
                self._note(fetches)
                return made(*values)

            return call

        # On this session alone: every hook's assignment goes through one of the two.
        vars(session).update(run=watched_run, make_callable=make_watched_callable)

    def bring(self, session: tf.compat.v1.Session) -> dict[str, np.ndarray]:
        """Places on the devices what was assigned since the last call.

        Args:
          session: Whose values they are.

        Returns:
          The values by variable name; mostly there are none.

        Raises:
          RuntimeError: There are other processes, which have no hooks.
        """
        names, self._written = self._written, set()
        if not names:
            return {}
        if self._group.count > 1:
            raise RuntimeError(
                f"A hook assigned {sorted(names)} in its session. Only process 0 has hooks, so "
                "that the variables of the other processes would differ. Compute the value from "
                "the global step in the model_fn, or train in one process."
            )
        variables = self._mirror.variables_on_devices
        values = session.run({name: variables[name] for name in names})
        whole = self._mirror.merge(self._state, values)
        self._state.variables = {**self._state.variables, **self._executable.place_state(whole)}
        return values

    def _note(self, fetches: Any) -> None:
        # Before there are variables on the devices, they are read from the session in any case.
        if not self._state.variables:
            return
        graph = self._mirror.graph
        for fetched in _flatten(fetches):
            try:
                element = graph.as_graph_element(fetched)
            except (TypeError, ValueError, KeyError):
                continue  # the session says what is wrong with it
            op = element.op if isinstance(element, tf.Tensor) else element
            if op.name not in self._known:
                self._known[op.name] = self._find_written(op)
            self._written |= self._known[op.name]

    def _find_written(self, wanted: tf.Operation) -> frozenset[str]:
        """Returns the variables that ops before `wanted`, and itself, may write."""
        written: set[str] = set()
        seen: set[str] = set()
        waiting = [wanted]
        while waiting:
            op = waiting.pop()
            if op.name in seen or op in self._mirror.own_ops:
                continue
            seen.add(op.name)
            waiting += [*(tensor.op for tensor in op.inputs), *op.control_inputs]
            if not op.type.startswith(_READERS):
                written |= self._list_handles(op)
        return frozenset(written)

    def _list_handles(self, op: tf.Operation) -> set[str]:
        makers = {tensor.op.name for tensor in op.inputs if tensor.dtype == tf.resource}
        return {self._names[name] for name in makers if name in self._names}


def _flatten(fetches: Any) -> Iterable[Any]:
    """Yields what a nested structure of fetches holds, whose keys may be of any type."""
    if fetches is None:
        return
    if isinstance(fetches, Mapping):
        for value in fetches.values():
            yield from _flatten(value)
    elif isinstance(fetches, Collection) and not isinstance(fetches, str | bytes | tf.Tensor):
        for value in fetches:
            yield from _flatten(value)
    elif isinstance(fetches, tf.SparseTensor | tf.IndexedSlices | tf.RaggedTensor):
        yield from tf.nest.flatten(fetches, expand_composites=True)
    else:
        yield fetches
