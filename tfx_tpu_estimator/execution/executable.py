"""Compiles a program for a row of devices and runs its steps, several per return to the host."""

from __future__ import annotations

import collections
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfx_tpu_estimator.execution import state as states
from tfx_tpu_estimator.execution.core_mesh import REPLICA_AXIS, Partitions, make_mesh, pad_shape
from tfx_tpu_estimator.execution.partitioned import compile_partitioned
from tfx_tpu_estimator.execution.program_call import bind_program
from tfx_tpu_estimator.lowering import jax_compat
from tfx_tpu_estimator.lowering.program import Program, TensorSignature

# On virtual CPU devices, programs in flight can wait for one another for ever: hundreds of them
# with jax 0.4, the 33rd with jax 0.10. A few programs may take turns, each with as many in flight.
MAX_STEPS_IN_FLIGHT = 8


class Executable:
    """A program on its devices, a replica on each or on several that share it.

    One loop of K steps is compiled for each K that is asked for, and kept.

    Args:
      program: What to run.
      devices: The jax devices of the first replica, then those of the second, and so on.
      broadcast: Whether every replica gets the whole input (BROADCAST).
      cores_per_replica: How many devices share a replica. Default 1.
      partitions: For each input of the program the parts of each dimension, one for each core of
        a replica; None for an input that all cores get whole. Default: all whole. Variables are
        whole on every core.

    Raises:
      ValueError: The number of devices is not that of the replicas.

    Example:
      executable = Executable(program, find_devices(num_shards=4).devices)
      state = executable.place_state(values)
      state, outputs = executable.run(state, 0, executable.place_batches(batches))
    """

    def __init__(
        self,
        program: Program,
        devices: Sequence[Any],
        *,
        broadcast: bool = False,
        cores_per_replica: int = 1,
        partitions: Sequence[Partitions] | None = None,
    ):
        if len(devices) != program.num_replicas * cores_per_replica:
            each = f" of {cores_per_replica} cores each" if cores_per_replica > 1 else ""
            raise ValueError(
                f"A program of {program.num_replicas} replicas{each} needs as many devices; got "
                f"{len(devices)}. Trace the model again for another number of replicas."
            )
        self.program = program
        self.mesh = make_mesh(devices, cores_per_replica)
        self._broadcast = broadcast
        self._cores = cores_per_replica
        self._partitions = list(partitions or [None] * len(program.inputs))
        # Listed once: a loop of one step takes little longer than listing them.
        self._updated = [v.name for v in program.state if v.updated]
        self._constant = [v.name for v in program.state if not v.updated]
        self._outputs = [signature.name for signature in program.outputs]
        self._compiled: dict[int, Any] = {}
        self._compile_seconds: dict[int, float] = {}
        self._in_flight: collections.deque[tuple[int, Any]] = collections.deque()
        self._is_cpu = devices[0].platform == "cpu"
        # An input rather than XLA's own partition id, whose use its partitioner at times refuses.
        self._replica_ids = states.place_replica_ids(self.mesh)

    @property
    def compile_seconds(self) -> dict[int, float]:
        """How long compiling took, by number of steps."""
        return dict(self._compile_seconds)

    def place_state(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Copies variables to the devices; see `state.place_state`."""
        return states.place_state(self.program, self.mesh, values)

    def place_batches(self, batches: Sequence[Any]) -> list[Any]:
        """Moves the input of K steps to the devices; see `state.place_batches`."""
        return states.place_batches(
            self.program,
            self.mesh,
            batches,
            broadcast=self._broadcast,
            partitions=self._partitions,
        )

    def compile(self, steps: int) -> Any:
        """Compiles the loop of `steps` steps, unless that was done; blocks.

        Returns:
          jax's compiled program, or a `PartitionedLoop`; both know their memory use and cost.
        """
        if steps not in self._compiled:
            start = time.monotonic()
            with jax_compat.enable_x64():
                self._compiled[steps] = self._compile(steps)
            self._compile_seconds[steps] = time.monotonic() - start
        return self._compiled[steps]

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
        steps = int(batches[0].shape[0]) if batches else 1
        compiled = self.compile(steps)
        updated = {name: state[name] for name in self._updated}
        constant = {name: state[name] for name in self._constant}
        with jax_compat.enable_x64():
            new, outputs = compiled(
                updated, constant, np.int64(step), self._replica_ids, tuple(batches)
            )
        self._limit_flight(steps, outputs)
        return {**state, **new}, dict(zip(self._outputs, outputs, strict=True))

    def _limit_flight(self, steps: int, outputs: Sequence[Any]) -> None:
        if not self._is_cpu or self.mesh.devices.size == 1:
            return
        # Outputs are never donated, so that they can be waited for later.
        self._in_flight.append((steps, outputs))
        while len(self._in_flight) > 1 and (
            sum(count for count, _ in self._in_flight) > MAX_STEPS_IN_FLIGHT
        ):
            jax_compat.import_jax().block_until_ready(self._in_flight.popleft()[1])

    def _compile(self, steps: int) -> Any:
        if self._cores == 1:
            return self._lower(steps).compile()
        return compile_partitioned(
            self._lower_replica(steps), self.mesh, self._partitions, self._cores
        )

    def _lower_replica(self, steps: int) -> Any:
        """Builds the loop of one replica, as if it were alone and had a single core."""
        jax = jax_compat.import_jax()

        def describe(shape: Sequence[int], dtype: Any) -> Any:
            return jax.ShapeDtypeStruct(tuple(shape), dtype)

        state = {v.name: describe(v.shape, v.numpy_dtype) for v in self.program.state}
        batches = tuple(
            describe((steps, *(pad_shape(s.shape, cut) if s.shape else (1,))), s.numpy_dtype)
            for s, cut in zip(self.program.inputs, self._partitions, strict=True)
        )
        return jax.jit(self._run_steps, donate_argnums=0, keep_unused=True).lower(
            {name: state[name] for name in self._updated},
            {name: state[name] for name in self._constant},
            describe((), np.int64),
            describe((1,), np.int64),
            batches,
        )

    def _lower(self, steps: int) -> Any:
        """Builds the loop as a jax function and gives it the shapes of its arguments."""
        jax = jax_compat.import_jax()
        partition = jax.sharding.PartitionSpec
        batch = partition() if self._broadcast else partition(None, REPLICA_AXIS)
        function = jax_compat.shard_map(
            self._run_steps,
            self.mesh,
            in_specs=(
                partition(),
                partition(),
                partition(),
                partition(REPLICA_AXIS),
                batch,
            ),
            out_specs=(partition(), partition(None, REPLICA_AXIS)),
        )
        return jax.jit(function, donate_argnums=0).lower(*self._describe_arguments(steps))

    def _describe_arguments(self, steps: int) -> tuple[Any, ...]:
        jax = jax_compat.import_jax()
        everywhere = states.replicated(self.mesh)
        divided = everywhere if self._broadcast else states.split(self.mesh, 1)
        replicas = 1 if self._broadcast else self.program.num_replicas

        def describe(signature: TensorSignature) -> Any:
            return jax.ShapeDtypeStruct(signature.shape, signature.numpy_dtype, sharding=everywhere)

        def describe_batch(signature: TensorSignature) -> Any:
            first = replicas * (signature.shape[0] if signature.shape else 1)
            shape = (steps, first, *signature.shape[1:])
            return jax.ShapeDtypeStruct(shape, signature.numpy_dtype, sharding=divided)

        return (
            {v.name: describe(v) for v in self.program.state if v.updated},
            {v.name: describe(v) for v in self.program.state if not v.updated},
            jax.ShapeDtypeStruct((), np.int64, sharding=everywhere),
            jax.ShapeDtypeStruct(
                self._replica_ids.shape, np.int64, sharding=self._replica_ids.sharding
            ),
            tuple(describe_batch(signature) for signature in self.program.inputs),
        )

    def _run_steps(
        self, updated: Any, constant: Any, step: Any, replica_id: Any, batches: Any
    ) -> Any:
        """The K steps of one replica."""
        jax = jax_compat.import_jax()

        def run_step(carried: Any, batch: Any) -> Any:
            variables, now = carried
            position = jax.numpy.stack([now, replica_id[0]])
            inputs = [
                _take(x, signature.shape)
                for x, signature in zip(batch, self.program.inputs, strict=True)
            ]
            variables, outputs = bind_program(
                self.program, position, inputs, {**constant, **variables}
            )
            return (variables, now + 1), outputs

        # `unroll` would compile every step anew.
        length = None if batches else 1
        (updated, _), outputs = jax.lax.scan(run_step, (updated, step), batches, length=length)
        return updated, [output[:, None] for output in outputs]


def _take(x: Any, shape: tuple[int, ...]) -> Any:
    """Takes one replica's tensor of the program out of what was placed for it."""
    if not shape:
        return x[0]
    return x if x.shape == shape else x[tuple(slice(size) for size in shape)]
