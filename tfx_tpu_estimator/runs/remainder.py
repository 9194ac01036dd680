"""The last, partial batch of an evaluation, without its padding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfx_tpu_estimator.inputs.deployment import DeployedInput
from tfx_tpu_estimator.inputs.host_stage import StageShards
from tfx_tpu_estimator.inputs.sharding import with_shape
from tfx_tpu_estimator.inputs.structure import InputStructure


def describe_remainder(deployed: DeployedInput, rows: int) -> InputStructure:
    """Returns what one replica gets that takes all `rows` examples of a partial batch."""
    specs = []
    for leaf in deployed.leaves:
        shape = leaf.spec.shape.as_list()
        if leaf.axis is not None:
            shape[leaf.axis] = rows
        specs.append(with_shape(leaf.spec, shape))
    return deployed.structure.replace_specs(specs)


def take_real_rows(
    deployed: DeployedInput, arrays: Sequence[np.ndarray], valid: np.ndarray
) -> list[np.ndarray]:
    """Takes the real examples out of one padded step.

    Args:
      deployed: The input.
      arrays: One per tensor that goes to the devices, [1, replicas, ...].
      valid: bool [1, replicas, examples of one replica].

    Returns:
      One array per tensor for one replica, [1, 1, ...].

    Raises:
      ValueError: The host has computed something of whole batches, of which no rows can be taken.
    """
    keep = np.ravel(valid)
    taken = []
    for shard, array in zip(deployed.shards, arrays, strict=True):
        if shard.axis is None:
            if isinstance(shard, StageShards) and shard.of_batch:
                raise ValueError(
                    f"`{shard.name}`, which the model_fn computes on the host, has no row for each "
                    f"example (shape {shard.spec.shape}), so that the padding of the last, partial "
                    "batch cannot be taken out of it. Make the number of examples a multiple of "
                    "the batch size, or batch with drop_remainder=True."
                )
            taken.append(array[:, :1])
            continue
        joined = np.concatenate(list(array[0]), axis=shard.axis)
        taken.append(np.compress(keep, joined, axis=shard.axis)[np.newaxis, np.newaxis])
    return taken
