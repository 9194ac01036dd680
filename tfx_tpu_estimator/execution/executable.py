"""Compiles a program for a row of devices and runs its steps, several per return to the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfx_tpu_estimator.execution import state as states
from tfx_tpu_estimator.execution.core_mesh import REPLICA_AXIS, Partitions, make_mesh, pad_shape
from tfx_tpu_estimator.execution.loops import Loops, count_steps, validate_devices
from tfx_tpu_estimator.execution.partitioned import compile_partitioned
from tfx_tpu_estimator.execution.program_call import bind_program
from tfx_tpu_estimator.lowering import jax_compat
from tfx_tpu_estimator.lowering.program import Program, TensorSignature


class Executable(Loops):
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
        validate_devices(len(devices), program.num_replicas, cores_per_replica)
        super().__init__(program, make_mesh(devices, cores_per_replica))
        self._broadcast = broadcast
        self._cores = cores_per_replica
        self._partitions = list(partitions or [None] * len(program.inputs))

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
        return self._compile_once(steps, steps, lambda: self._compile(steps))

    def _find_loop(self, batches: Sequence[Any]) -> Any:
        return self.compile(count_steps(batches))

    def _bind(self, position: Any, batch: Sequence[Any], variables: dict[str, Any]) -> Any:
        inputs = [
            _take(x, signature.shape)
            for x, signature in zip(batch, self.program.inputs, strict=True)
        ]
        return bind_program(self.program, position, inputs, variables)

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
            *self._describe_scalars(),
            tuple(describe_batch(signature) for signature in self.program.inputs),
        )


def _take(x: Any, shape: tuple[int, ...]) -> Any:
    """Takes one replica's tensor of the program out of what was placed for it."""
    if not shape:
        return x[0]
    return x if x.shape == shape else x[tuple(slice(size) for size in shape)]
