"""Compiles a loop of steps so that several cores work on each replica.

A loop that was built for one replica on one core becomes R XLA replicas of C XLA partitions. XLA's
SPMD partitioner divides what the loop computes among the C cores, starting from how the inputs are
cut; sums over replicas stay what they are. jax itself knows partitions only, with which sums over
some of the devices would have to be marked as manual: compilers of jax 0.4 end the process on that.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from tfx_tpu_estimator.execution.core_mesh import (
    REPLICATED,
    Partitions,
    count_replicas,
    describe_sharding,
)
from tfx_tpu_estimator.execution.state import replicated, split
from tfx_tpu_estimator.lowering import jax_compat
from tfx_tpu_estimator.lowering.partition_rewrites import (
    divide_convolutions,
    keep_concatenations_whole,
)
from tfx_tpu_estimator.lowering.stablehlo import list_operations, spread_module

_logger = logging.getLogger(__name__)


class PartitionedLoop:
    """A compiled loop; it is called as what jax compiles.

    Args:
      loaded: XLA's executable, on the devices of `mesh`.
      mesh: Replicas and their cores.
      updated: Description of the state that a step may change, as in the loop's first result.
      outputs: Descriptions of the outputs, each [K, 1, ...].
    """

    def __init__(self, loaded: Any, mesh: Any, updated: Any, outputs: Sequence[Any]):
        jax = jax_compat.import_jax()
        self._loaded = loaded
        self._everywhere = replicated(mesh)
        described, self._tree = jax.tree_util.tree_flatten((updated, list(outputs)))
        state_count = len(jax.tree_util.tree_leaves(updated))
        by_replica = split(mesh, 1)
        self._results = [
            (d.shape, self._everywhere)
            if index < state_count
            else ((d.shape[0], count_replicas(mesh), *d.shape[2:]), by_replica)
            for index, d in enumerate(described)
        ]

    def __call__(self, updated: Any, constant: Any, step: Any, ids: Any, batches: Any) -> Any:
        """Runs the loop; returns before it is done.

        Args:
          updated: Device arrays on all cores, by name; they are consumed.
          constant: The same for what no step changes.
          step: The global step of the first step.
          ids: int64 [replicas], each on its cores.
          batches: Device arrays as `place_batches` returns them.

        Returns:
          The new state by name, and outputs [K, replicas, ...].
        """
        jax = jax_compat.import_jax()
        placed = jax.device_put(step, self._everywhere)
        flat = jax.tree_util.tree_leaves((updated, constant, placed, ids, batches))
        shards = jax_compat.execute_loaded(self._loaded, flat)
        made = [
            jax.make_array_from_single_device_arrays(shape, sharding, parts)
            for (shape, sharding), parts in zip(self._results, shards, strict=True)
        ]
        return jax.tree_util.tree_unflatten(self._tree, made)

    def memory_analysis(self) -> Any:
        """Returns how many bytes each core needs, for arguments, results and in between."""
        return self._loaded.get_compiled_memory_stats()

    def cost_analysis(self) -> Any:
        """Returns XLA's estimate of what a core computes and moves."""
        return self._loaded.cost_analysis()

    def as_text(self) -> str:
        """Returns the HLO that each core runs."""
        return self._loaded.hlo_modules()[0].to_string()


def compile_partitioned(
    lowered: Any, mesh: Any, partitions: Sequence[Partitions], cores_per_replica: int
) -> PartitionedLoop:
    """Compiles a loop for the replicas and cores of `mesh`; blocks.

    Args:
      lowered: jax's lowered loop of one replica on one core. Its last arguments are the inputs; of
        its results only the first, the state, is not an output.
      mesh: Replicas and their cores.
      partitions: For each input how it is cut, or None.
      cores_per_replica: Cores of one replica.

    Returns:
      The loop.
    """
    jax = jax_compat.import_jax()
    module = lowered.compiler_ir("stablehlo")
    with module.context:
        operations = list(list_operations(module.operation))
        whole = divide_convolutions(operations, partitions, cores_per_replica)
        keep_concatenations_whole(operations, partitions)
    if whole:
        _logger.info(
            "%d convolutions are computed whole by each core: too small to divide, or of a kind "
            "that XLA divides wrongly.",
            whole,
        )
    count = len(jax.tree_util.tree_leaves(lowered.in_avals)) - len(partitions)
    shardings = [REPLICATED] * count
    shardings += [describe_sharding(cut, cores_per_replica) for cut in partitions]
    spread_module(
        module,
        replicas=count_replicas(mesh),
        partitions=cores_per_replica,
        argument_shardings=shardings,
        result_sharding=REPLICATED,
    )
    grid = mesh.devices.reshape(count_replicas(mesh), cores_per_replica)
    loaded = jax_compat.compile_on_grid(module, grid)
    return PartitionedLoop(loaded, mesh, *lowered.out_info)
