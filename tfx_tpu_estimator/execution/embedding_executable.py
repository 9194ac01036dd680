"""Compiles a program with embeddings for a row of devices and runs its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfx_tpu_estimator.execution import state as states
from tfx_tpu_estimator.execution.core_mesh import REPLICA_AXIS, make_mesh
from tfx_tpu_estimator.execution.embedded_program import EmbeddedProgram
from tfx_tpu_estimator.execution.embedding_state import place_state
from tfx_tpu_estimator.execution.loops import Loops, count_steps, validate_devices
from tfx_tpu_estimator.lowering import jax_compat
from tfx_tpu_estimator.lowering.program import StateSignature, TensorSignature


class EmbeddingExecutable(Loops):
    """A program with embeddings on its devices, one replica each; used like an `Executable`.

    Tables and their slots are divided over the devices; all else is on each. A loop is compiled for
    each number of steps and each number of ids per row that is asked for, and kept.

    Args:
      program: What to run.
      devices: As many jax devices as the program has replicas, in their order.

    Raises:
      ValueError: The number of devices is not that of the replicas.
    """

    def __init__(self, program: EmbeddedProgram, devices: Sequence[Any]):
        validate_devices(len(devices), program.num_replicas)
        super().__init__(program, make_mesh(devices, 1))

    def place_state(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Copies variables to the devices; see `embedding_state.place_state`."""
        return place_state(self.program, self.mesh, values)

    def place_batches(self, batches: Sequence[Any]) -> list[Any]:
        """Moves the input of K steps to the devices; returns before it is done.

        Args:
          batches: One array per input of the program, [K, replicas * n, ...].

        Raises:
          ValueError: An array does not have the shape or dtype that the program wants; names it.
        """
        for signature, value in zip(self.program.inputs, batches, strict=True):
            self._validate_batch(signature, value)
        jax = jax_compat.import_jax()
        with jax_compat.enable_x64():
            return [jax.device_put(value, states.split(self.mesh, 1)) for value in batches]

    def describe_batches(self, steps: int) -> list[Any]:
        """Returns `jax.ShapeDtypeStruct`s of the input of `steps` steps, for `compile`."""
        jax = jax_compat.import_jax()
        replicas, described = self.program.num_replicas, []
        for signature in self.program.inputs:
            first = replicas * (signature.shape[0] if signature.shape else 1)
            shape = (steps, first, *signature.shape[1:])
            described.append(jax.ShapeDtypeStruct(shape, signature.numpy_dtype))
        return described

    def compile(self, batches: Sequence[Any]) -> Any:
        """Compiles the loop for batches of these shapes, unless that was done; blocks.

        Args:
          batches: What `place_batches` returned, or `jax.ShapeDtypeStruct`s like it.

        Returns:
          jax's compiled program, which knows its memory use and cost.
        """
        shapes = tuple(tuple(batch.shape) for batch in batches)
        return self._compile_once(
            shapes, count_steps(batches), lambda: self._lower(shapes).compile()
        )

    def _find_loop(self, batches: Sequence[Any]) -> Any:
        return self.compile(batches)

    def _bind(self, position: Any, batch: Sequence[Any], variables: dict[str, Any]) -> Any:
        inputs = [
            x if signature.shape else x[0]
            for x, signature in zip(batch, self.program.inputs, strict=True)
        ]
        return self.program.bind(position, inputs, variables, REPLICA_AXIS)

    def _validate_batch(self, signature: TensorSignature, value: Any) -> None:
        shape = signature.shape
        wanted = (self.program.num_replicas * (shape[0] if shape else 1), *shape[1:])
        found = tuple(value.shape[1:])
        if signature.name in self.program.elastic:
            wanted, found = wanted[:-1], found[:-1]
        if found != wanted or np.dtype(value.dtype) != signature.numpy_dtype:
            raise ValueError(
                f"Input `{signature.name}` must have shape [steps, "
                f"{', '.join(map(str, wanted))}] and dtype {signature.dtype}; got "
                f"{list(value.shape)} and {value.dtype}."
            )

    def _is_divided(self, name: str) -> bool:
        return name in self.program.layouts

    def _lower(self, shapes: Sequence[tuple[int, ...]]) -> Any:
        """Builds the loop as a jax function and gives it the shapes of its arguments."""
        jax = jax_compat.import_jax()
        partition = jax.sharding.PartitionSpec

        def place(names: Sequence[str]) -> dict[str, Any]:
            return {n: partition(REPLICA_AXIS) if self._is_divided(n) else partition()
                    for n in names}  # fmt: skip

        function = jax_compat.shard_map(
            self._run_steps,
            self.mesh,
            in_specs=(
                place(self._updated),
                place(self._constant),
                partition(),
                partition(REPLICA_AXIS),
                partition(None, REPLICA_AXIS),
            ),
            out_specs=(place(self._updated), partition(None, REPLICA_AXIS)),
        )
        return jax.jit(function, donate_argnums=0).lower(*self._describe_arguments(shapes))

    def _describe_arguments(self, shapes: Sequence[tuple[int, ...]]) -> tuple[Any, ...]:
        jax = jax_compat.import_jax()
        everywhere, divided = states.replicated(self.mesh), states.split(self.mesh, 0)

        def describe(signature: StateSignature) -> Any:
            shape, sharding = signature.shape, everywhere
            if self._is_divided(signature.name):
                layout = self.program.layouts[signature.name]
                shape, sharding = (layout.padded_rows, *shape[1:]), divided
            return jax.ShapeDtypeStruct(shape, signature.numpy_dtype, sharding=sharding)

        return (
            {v.name: describe(v) for v in self.program.state if v.updated},
            {v.name: describe(v) for v in self.program.state if not v.updated},
            *self._describe_scalars(),
            tuple(
                jax.ShapeDtypeStruct(shape, s.numpy_dtype, sharding=states.split(self.mesh, 1))
                for shape, s in zip(shapes, self.program.inputs, strict=True)
            ),
        )
