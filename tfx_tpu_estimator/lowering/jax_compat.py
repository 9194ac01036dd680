"""Everything that differs between versions of jax, in one module.

Seen working with jax 0.4.34 and 0.10.2. jax is imported when a function is called:
`use_tpu=False` never loads it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np


def import_jax() -> Any:
    """Imports jax.

    Raises:
      ImportError: It is not installed; says how to get it.
    """
    try:
        import jax
    except ImportError as error:
        raise ImportError(
            "`use_tpu=True` runs through jax, which is not installed: install jax and jaxlib in "
            "the versions that this package names (pip install 'tfx_tpu_estimator')."
        ) from error
    return jax


def list_result_shapes(hlo: bytes) -> list[tuple[int | None, ...]]:
    """Returns the shape of each result of a serialized HLO module; None where it is dynamic."""
    from jaxlib import xla_client  # `jax.lib` has no such name any more

    result = xla_client.XlaComputation(hlo).program_shape().result_shape()
    shapes = result.tuple_shapes() if result.is_tuple() else [result]
    return [
        tuple(None if s.is_dynamic_dimension(i) else n for i, n in enumerate(s.dimensions()))
        for s in shapes
    ]


def hlo_to_stablehlo(hlo: bytes) -> bytes:
    """Converts a serialized HLO module to MLIR bytecode of StableHLO."""
    import jax.extend.mlir as extend_mlir

    if hasattr(extend_mlir, "hlo_to_stablehlo"):
        return extend_mlir.hlo_to_stablehlo(hlo)
    from jax.interpreters import mlir
    from jaxlib import xla_client

    with mlir.make_ir_context():
        module = mlir.xla_computation_to_mlir_module(xla_client.XlaComputation(hlo))
        return mlir.module_to_bytecode(module)


@contextmanager
def mlir_context() -> Iterator[Any]:
    """An MLIR context that knows StableHLO."""
    from jax.interpreters import mlir

    with mlir.make_ir_context() as context:
        yield context


def strip_locations(module: Any) -> None:
    """Takes names of source ops out of an MLIR module; they count functions made before it."""
    from jaxlib.mlir import passmanager

    passmanager.PassManager.parse("builtin.module(strip-debuginfo)").run(module.operation)


def module_to_bytecode(module: Any) -> bytes:
    """Serializes an MLIR module."""
    import io

    buffer = io.BytesIO()
    module.operation.write_bytecode(buffer)
    return buffer.getvalue()


def shard_map(function: Callable, mesh: Any, in_specs: Any, out_specs: Any) -> Callable:
    """Runs `function` once per device of `mesh`, without jax's check of what is replicated."""
    try:
        from jax import shard_map as mapped
    except ImportError:
        from jax.experimental.shard_map import shard_map as mapped
    named = inspect.signature(mapped).parameters
    check: dict[str, Any] = {"check_vma": False} if "check_vma" in named else {"check_rep": False}
    return mapped(function, mesh=mesh, in_specs=in_specs, out_specs=out_specs, **check)


def compile_on_grid(module: Any, devices: Any) -> Any:
    """Compiles a module for replicas of several partitions each; blocks.

    jax's own `compile` makes partitions of one replica only.

    Args:
      module: MLIR module of StableHLO; says how arguments and results are cut, in GSPMD's terms.
      devices: numpy array [replicas, partitions] of jax devices.

    Returns:
      XLA's executable, loaded unless the devices are those of a topology that is not there.
    """
    from jaxlib import xla_client

    replicas, partitions = devices.shape
    options = xla_client.CompileOptions()
    build = options.executable_build_options
    for part in (options, build):
        part.num_replicas, part.num_partitions = replicas, partitions
    build.use_spmd_partitioning = True
    build.use_shardy_partitioner = False
    ids = [[device.id for device in row] for row in devices]
    build.device_assignment = xla_client.DeviceAssignment.create(np.array(ids))
    client, flat = devices.flat[0].client, tuple(devices.flat)
    code = module_to_bytecode(module)
    if not hasattr(client, "compile_and_load"):
        return client.compile(code, options)
    # The client of a topology that is only described cannot load what it compiles.
    if type(client).__name__ == "CompileOnlyPyClient":
        return client.compile(module, xla_client.DeviceList(flat), options)
    return client.compile_and_load(code, xla_client.DeviceList(flat), options)


def execute_loaded(loaded: Any, arguments: Sequence[Any]) -> list[list[Any]]:
    """Runs what `compile_on_grid` returned; returns before it is done.

    Args:
      loaded: The executable.
      arguments: jax arrays with one shard per device of this process, in the devices' order.

    Returns:
      For each result its shards, in the same order.
    """
    return loaded.execute_sharded(list(arguments)).disassemble_into_single_device_arrays()


def enable_x64() -> Any:
    """A context in which jax keeps 64-bit types, as global steps are; in this thread only."""
    try:
        from jax import enable_x64 as enabled
    except ImportError:
        from jax.experimental import enable_x64 as enabled
    return enabled(True)


def describe_tpus(topology: str) -> list[Any]:
    """Returns the devices of TPUs that need not be there, for which libtpu can compile.

    Args:
      topology: As libtpu takes it, such as `v5e:2x2`.

    Raises:
      RuntimeError: libtpu does not know it; a subclass, of jax's own.
    """
    import_jax()
    from jax.experimental import topologies

    return list(topologies.get_topology_desc(platform="tpu", topology_name=topology).devices)
