"""Loops of training steps on devices: compiled once for each shape, several steps per return."""

from __future__ import annotations

import abc
import collections
import functools
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from tfx_tpu_estimator.execution import state as states
from tfx_tpu_estimator.execution.core_mesh import count_replicas
from tfx_tpu_estimator.lowering import jax_compat

# On virtual CPU devices, programs in flight can wait for one another for ever: hundreds of them
# with jax 0.4, the 33rd with jax 0.10. A few programs may take turns, each with as many in flight.
MAX_STEPS_IN_FLIGHT = 8


class Loops(abc.ABC):
    """The loops of one program on its devices.

    Args:
      program: What to run: has `num_replicas`, and signatures `inputs`, `state` and `outputs`.
      mesh: Its replicas and their cores.
    """

    def __init__(self, program: Any, mesh: Any):
        self.program = program
        self.mesh = mesh
        # Listed once: a loop of one step takes little longer than listing them.
        self._updated = [v.name for v in program.state if v.updated]
        self._constant = [v.name for v in program.state if not v.updated]
        self._outputs = [signature.name for signature in program.outputs]
        self._compiled: dict[Hashable, Any] = {}
        self._compile_seconds: dict[int, float] = {}
        self._in_flight: collections.deque[tuple[int, Any]] = collections.deque()
        self._takes_turns = mesh.devices.flat[0].platform == "cpu" and mesh.devices.size > 1

    @functools.cached_property
    def _replica_ids(self) -> Any:
        """An input rather than XLA's own partition id, whose use its partitioner at times refuses.

        Placed when it is first needed: devices that are only described hold nothing.
        """
        return states.place_replica_ids(self.mesh)

    @property
    def compile_seconds(self) -> dict[int, float]:
        """How long compiling took, by number of steps; the last time where it was done again."""
        return dict(self._compile_seconds)

    @abc.abstractmethod
    def place_state(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Copies variables to the devices.

        Args:
          values: Arrays by variable name.
        """

    @abc.abstractmethod
    def place_batches(self, batches: Sequence[Any]) -> list[Any]:
        """Moves the input of K steps to the devices; returns before it is done.

        Args:
          batches: One array per input of the program, [K, replicas * n, ...].
        """

    def run(
        self, state: Mapping[str, Any], step: int, batches: Sequence[Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Runs K steps; returns before they are done.

        Args:
          state: Device arrays by variable name. Those that a step updates are consumed.
          step: The global step of the first one, which random ops depend on.
          batches: What `place_batches` returned for K steps; K is the first dimension. A program
            without inputs runs one step.

        Returns:
          The state after the steps, and outputs by name, [K, replicas, ...], each replica's on
          its device.
        """
        compiled = self._find_loop(batches)
        updated = {name: state[name] for name in self._updated}
        constant = {name: state[name] for name in self._constant}
        with jax_compat.enable_x64():
            new, outputs = compiled(
                updated, constant, np.int64(step), self._replica_ids, tuple(batches)
            )
        self._limit_flight(count_steps(batches), outputs)
        return {**state, **new}, dict(zip(self._outputs, outputs, strict=True))

    @abc.abstractmethod
    def _find_loop(self, batches: Sequence[Any]) -> Any:
        """Returns the compiled loop for batches like these."""

    @abc.abstractmethod
    def _bind(self, position: Any, batch: Sequence[Any], variables: dict[str, Any]) -> Any:
        """One step of one replica, while jax traces it: returns new variables and outputs."""

    def _compile_once(self, key: Hashable, steps: int, compile_loop: Callable[[], Any]) -> Any:
        """Returns what `compile_loop` gave the first time; blocks."""
        if key not in self._compiled:
            start = time.monotonic()
            with jax_compat.enable_x64():
                self._compiled[key] = compile_loop()
            self._compile_seconds[steps] = time.monotonic() - start
        return self._compiled[key]

    def _limit_flight(self, steps: int, outputs: Sequence[Any]) -> None:
        if not self._takes_turns:
            return
        # Outputs are never donated, so that they can be waited for later.
        self._in_flight.append((steps, outputs))
        while len(self._in_flight) > 1 and (
            sum(count for count, _ in self._in_flight) > MAX_STEPS_IN_FLIGHT
        ):
            jax_compat.import_jax().block_until_ready(self._in_flight.popleft()[1])

    def _run_steps(
        self, updated: Any, constant: Any, step: Any, replica_id: Any, batches: Any
    ) -> Any:
        """The K steps of one replica."""
        jax = jax_compat.import_jax()

        def run_step(carried: Any, batch: Any) -> Any:
            variables, now = carried
            position = jax.numpy.stack([now, replica_id[0]])
            new, outputs = self._bind(position, batch, {**constant, **variables})
            return ({**variables, **new}, now + 1), outputs

        # `unroll` would compile every step anew.
        length = None if batches else 1
        (updated, _), outputs = jax.lax.scan(run_step, (updated, step), batches, length=length)
        return updated, [output[:, None] for output in outputs]

    def _describe_scalars(self) -> tuple[Any, Any]:
        """Describes the step and the replica ids, as arguments of a loop."""
        jax = jax_compat.import_jax()
        replicas = count_replicas(self.mesh)
        return (
            jax.ShapeDtypeStruct((), np.int64, sharding=states.replicated(self.mesh)),
            jax.ShapeDtypeStruct((replicas,), np.int64, sharding=states.split(self.mesh, 0)),
        )


def count_steps(batches: Sequence[Any]) -> int:
    """Returns the steps that a loop over `batches` has."""
    return int(batches[0].shape[0]) if batches else 1


def validate_devices(count: int, num_replicas: int, cores_per_replica: int = 1) -> None:
    """Checks that a program has the devices it was traced for.

    Raises:
      ValueError: There are more or fewer.
    """
    if count != num_replicas * cores_per_replica:
        each = f" of {cores_per_replica} cores each" if cores_per_replica > 1 else ""
        raise ValueError(
            f"A program of {num_replicas} replicas{each} needs as many devices; got {count}. "
            "Trace the model again for another number of replicas."
        )
