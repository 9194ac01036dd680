"""Moves variables and batches between the host and the devices."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfx_tpu_estimator.execution.core_mesh import (
    REPLICA_AXIS,
    Partitions,
    batch_sharding,
    count_replicas,
    pad_batch,
)
from tfx_tpu_estimator.execution.embedding_layout import RowLayout
from tfx_tpu_estimator.execution.host_arrays import copy_aligned
from tfx_tpu_estimator.lowering import jax_compat
from tfx_tpu_estimator.lowering.program import Program, TensorSignature

if TYPE_CHECKING:
    from tfx_tpu_estimator.execution.embedded_program import EmbeddedProgram

# Bytes of a variable that it is worth compiling a copy for, once per shape.
_LARGE = 2**24


def replicated(mesh: Any) -> Any:
    """The sharding of what every replica has a copy of."""
    jax = jax_compat.import_jax()
    return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())


def split(mesh: Any, axis: int) -> Any:
    """The sharding of what is split over replicas along `axis`."""
    jax = jax_compat.import_jax()
    spec = jax.sharding.PartitionSpec(*[None] * axis, REPLICA_AXIS)
    return jax.sharding.NamedSharding(mesh, spec)


def place_replica_ids(mesh: Any) -> Any:
    """Returns an int64 array [replicas] of which each device holds the number of its replica."""
    jax = jax_compat.import_jax()
    ids = np.arange(count_replicas(mesh))
    with jax_compat.enable_x64():
        return jax.make_array_from_callback(ids.shape, split(mesh, 0), lambda index: ids[index])


def validate_state(program: Program | EmbeddedProgram, values: Mapping[str, Any]) -> None:
    """Checks that `values` has every variable of `program`, in its shape and dtype.

    Raises:
      KeyError: One is missing; lists those that are.
      ValueError: One has another shape or dtype; says which two.
    """
    missing = [v.name for v in program.state if v.name not in values]
    if missing:
        raise KeyError(f"The state lacks the variables {missing}.")
    for variable in program.state:
        value = values[variable.name]
        found = (tuple(value.shape), np.dtype(value.dtype))
        if found != (variable.shape, variable.numpy_dtype):
            raise ValueError(
                f"Variable `{variable.name}` has shape {list(found[0])} and dtype {found[1]}, but "
                f"the model's has {list(variable.shape)} and {variable.dtype}."
            )


def place_state(program: Program, mesh: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Copies the variables of `program` to every replica; returns before it is done.

    Args:
      program: What will use them.
      mesh: Its devices.
      values: Arrays by variable name; more than the program uses are left out.

    Returns:
      Device arrays by name. Programs that update them consume them: keep what `run` returns.
    """
    validate_state(program, values)
    sharding = replicated(mesh)
    jax = jax_compat.import_jax()
    placed = {}
    with jax_compat.enable_x64():
        for variable in program.state:
            value = values[variable.name]
            if isinstance(value, jax.Array):
                placed[variable.name] = jax.device_put(value, sharding)
                continue
            placed[variable.name] = _put_copy(value, sharding)
    return placed


def read_state(
    state: Mapping[str, Any], layouts: Mapping[str, RowLayout] | None = None
) -> dict[str, np.ndarray]:
    """Copies variables to the host, those of replica 0 where replicas differ; waits for them.

    Args:
      state: Device arrays by variable name.
      layouts: Of those whose rows are divided over the replicas, how; they are read whole.
    """
    divided = layouts or {}
    return {
        name: join_rows(value, divided[name])
        if name in divided
        else copy_aligned(np.asarray(_first_replica(value)))
        for name, value in state.items()
    }


def join_rows(value: Any, layout: RowLayout) -> np.ndarray:
    """Copies an array whose rows are divided over the replicas to the host; waits for it.

    Args:
      value: Device array [layout.padded_rows, ...].
      layout: How its rows are divided.

    Returns:
      A new array [layout.rows, ...], which a session can read in place.
    """
    # One part at a time, so that the host holds the whole only once.
    parts = (
        ((shard.index[0].start or 0) // layout.shard_rows, np.asarray(shard.data))
        for shard in value.addressable_shards
    )
    return layout.join(parts, np.dtype(value.dtype))


def _first_replica(value: Any) -> Any:
    # np.asarray would refuse an array that is partly in other processes.
    return value.addressable_data(0) if hasattr(value, "addressable_data") else value


def gather_outputs(outputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Copies the outputs of all replicas to the host; waits for them.

    In several processes all must call it, for the same outputs.

    Args:
      outputs: What `Executable.run` returned.

    Returns:
      Arrays [K, replicas, ...] by name, of the replicas of all processes in order.
    """
    far = {name: value for name, value in outputs.items() if not value.is_fully_addressable}
    if far:
        mesh = next(iter(far.values())).sharding.mesh
        with jax_compat.enable_x64():
            far = _make_copier(mesh)(far)
    gathered = {**outputs, **far}
    return {name: np.asarray(_first_replica(value)) if name in far else np.asarray(value)
            for name, value in gathered.items()}  # fmt: skip


@functools.cache
def _make_copier(mesh: Any) -> Any:
    """Returns what copies arrays to every device of `mesh`; jax compiles it once per shape."""
    return jax_compat.import_jax().jit(lambda arrays: arrays, out_shardings=replicated(mesh))


def take_steps(batch: Any, steps: int) -> Any:
    """Returns the first `steps` steps of a device array [K, ...]."""
    jax = jax_compat.import_jax()
    with jax_compat.enable_x64():
        shards = [shard.data[:steps] for shard in batch.addressable_shards]
        shape = (steps, *batch.shape[1:])
        return jax.make_array_from_single_device_arrays(shape, batch.sharding, shards)


def place_batches(
    program: Program,
    mesh: Any,
    batches: Sequence[Any],
    *,
    broadcast: bool = False,
    partitions: Sequence[Partitions] | None = None,
) -> list[Any]:
    """Moves the input of K steps to the devices; returns before it is done.

    Args:
      program: What will read it.
      mesh: Its devices.
      batches: One array per input of `program`, in order, of shape [K, replicas * n, ...] for an
        input of shape [n, ...]; [K, replicas] for a scalar. In several processes: the part of
        this process's replicas.
      broadcast: Every replica gets all of it: [K, n, ...].
      partitions: For each input the parts of each dimension of one replica's tensor, of which each
        core gets one, or None for an input that all cores get whole. Default: all whole.

    Returns:
      Device arrays in the same order; padded where a dimension cannot be cut into equal parts.

    Raises:
      ValueError: An array does not have the shape or dtype that the program wants; names it.
    """
    processes = len({device.process_index for device in mesh.devices.flat})
    replicas = 1 if broadcast else program.num_replicas // processes
    for signature, value in zip(program.inputs, batches, strict=True):
        _validate_batch(signature, value, replicas)
    placed = []
    with jax_compat.enable_x64():
        for index, (signature, value) in enumerate(zip(program.inputs, batches, strict=True)):
            cut = partitions[index] if partitions else None
            if cut is not None:
                value = pad_batch(value, signature.shape, cut, replicas)
            sharding = batch_sharding(mesh, cut, broadcast=broadcast)
            placed.append(_put(value, sharding))
    return placed


def _put(value: Any, sharding: Any) -> Any:
    jax = jax_compat.import_jax()
    if isinstance(value, jax.Array) or sharding.is_fully_addressable:
        return jax.device_put(value, sharding)
    return jax.make_array_from_process_local_data(sharding, value)


def _put_copy(value: np.ndarray, sharding: Any) -> Any:
    """Moves an array to memory that a program may update in place."""
    platform = next(iter(sharding.device_set)).platform
    if platform == "cpu" and value.nbytes < _LARGE:
        # A device array may share the memory of a numpy array, and a program write into it.
        return _put(np.array(value, copy=True), sharding)
    return own_memory(_put(value, sharding))


def own_memory(value: Any) -> Any:
    """Returns a device array that came from numpy in memory that a program may update in place.

    What came from numpy is not updated in place on a CPU, so that the first step would hold the
    state twice. What a program made is. Waiting frees the first copy before the next variable's.
    """
    jax = jax_compat.import_jax()
    platform = next(iter(value.sharding.device_set)).platform
    if platform != "cpu" or value.nbytes < _LARGE:
        return value
    return jax.block_until_ready(_make_owner(value.sharding)(value))


@functools.cache
def _make_owner(sharding: Any) -> Any:
    jax = jax_compat.import_jax()
    return jax.jit(jax.numpy.copy, out_shardings=sharding)


def _validate_batch(signature: TensorSignature, value: Any, replicas: int) -> None:
    first = replicas * signature.shape[0] if signature.shape else replicas
    wanted = (first, *signature.shape[1:])
    if tuple(value.shape[1:]) != wanted or np.dtype(value.dtype) != signature.numpy_dtype:
        raise ValueError(
            f"Input `{signature.name}` must have shape [steps, {', '.join(map(str, wanted))}] and "
            f"dtype {signature.dtype}; got {list(value.shape)} and {value.dtype}."
        )
