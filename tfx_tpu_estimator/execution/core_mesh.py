"""Which device is which core of which replica, and how the cores of a replica share its input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfx_tpu_estimator.lowering import jax_compat

REPLICA_AXIS = "replica"
_CORE_AXIS = "core_{}"

# How many parts each dimension of one replica's tensor has; None: each core gets it whole.
Partitions = Sequence[int] | None


def make_mesh(devices: Sequence[Any], cores_per_replica: int = 1) -> Any:
    """Returns a jax mesh of replicas and of the cores of each.

    Args:
      devices: All cores of the first replica, then those of the second, and so on.
      cores_per_replica: A power of two.

    Returns:
      A mesh whose first axis is the replica. An axis of two cores follows for each doubling of
      `cores_per_replica`, so that a tensor can be cut along several dimensions.
    """
    jax = jax_compat.import_jax()
    axes = cores_per_replica.bit_length() - 1
    shape = (len(devices) // cores_per_replica, *[2] * axes)
    names = (REPLICA_AXIS, *map(_CORE_AXIS.format, range(axes)))
    return jax.sharding.Mesh(np.array(list(devices), dtype=object).reshape(shape), names)


def count_replicas(mesh: Any) -> int:
    """Returns how many replicas a mesh has."""
    return mesh.shape[REPLICA_AXIS]


def batch_sharding(mesh: Any, partitions: Partitions, *, broadcast: bool = False) -> Any:
    """Returns the jax sharding of one input of K steps.

    Args:
      mesh: The replicas and their cores.
      partitions: Of one replica's tensor.
      broadcast: Whether every replica has all of it.

    Returns:
      A sharding of [K, replicas * n, ...] (in BROADCAST of [K, n, ...]): dimension 1 is split over
      the replicas, and then each dimension over cores as `partitions` says.
    """
    jax = jax_compat.import_jax()
    replica = () if broadcast else (REPLICA_AXIS,)
    axes = [axis for axis in mesh.axis_names if axis != REPLICA_AXIS]
    cut: list[tuple[str, ...]] = []
    for parts in partitions or [1]:
        count = parts.bit_length() - 1
        cut.append(tuple(axes[:count]))
        axes = axes[count:]
    spec = jax.sharding.PartitionSpec(None, (*replica, *cut[0]), *cut[1:])
    return jax.sharding.NamedSharding(mesh, spec)


def pad_shape(shape: Sequence[int], partitions: Partitions) -> tuple[int, ...]:
    """Returns the smallest shape not below `shape` that can be cut into equal parts.

    Example:
      >>> pad_shape([8, 15, 4], [1, 2, 1])
      (8, 16, 4)
    """
    parts = partitions or [1] * len(shape)
    return tuple(-(-size // p) * p for size, p in zip(shape, parts, strict=True))


def pad_batch(
    batch: np.ndarray, shape: Sequence[int], partitions: Partitions, replicas: int
) -> np.ndarray:
    """Fills each replica's tensor up to where it can be cut into equal parts.

    The program takes what was added off again before the model sees it.

    Args:
      batch: [K, replicas * n, ...].
      shape: Of one replica's tensor, [n, ...].
      partitions: Of that tensor.
      replicas: How many of them `batch` holds.

    Returns:
      The batch itself where nothing is to be added.
    """
    padded = pad_shape(shape, partitions)
    if padded == tuple(shape):
        return batch
    steps = batch.shape[0]
    widths = [(0, large - small) for large, small in zip(padded, shape, strict=True)]
    divided = np.reshape(batch, [steps, replicas, *shape])
    return np.pad(divided, [(0, 0), (0, 0), *widths]).reshape(
        [steps, replicas * padded[0], *padded[1:]]
    )


def describe_sharding(partitions: Partitions, cores_per_replica: int) -> str:
    """Returns XLA's words for how the cores of a replica share one input of K steps.

    Example:
      >>> describe_sharding([1, 2, 2, 1], 4)
      '{devices=[1,1,2,2,1]<=[4]}'
    """
    if partitions is None:
        return REPLICATED
    return f"{{devices=[1,{','.join(map(str, partitions))}]<=[{cores_per_replica}]}}"


REPLICATED = "{replicated}"
