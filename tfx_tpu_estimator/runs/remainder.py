"""The last, partial batch of an evaluation, without its padding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.inputs.deployment import DeployedInput
from tfx_tpu_estimator.inputs.structure import InputStructure


def describe_remainder(deployed: DeployedInput, rows: int) -> InputStructure:
    """Returns what one replica gets that takes all `rows` examples of a partial batch."""
    specs = []
    for shard in deployed.shards:
        shape = shard.spec.shape.as_list()
        if shard.axis is not None:
            shape[shard.axis] = rows
        specs.append(tf.TensorSpec(shape, shard.spec.dtype))
    return deployed.structure.replace_specs(specs)


def take_real_rows(
    deployed: DeployedInput, arrays: Sequence[np.ndarray], valid: np.ndarray
) -> list[np.ndarray]:
    """Takes the real examples out of one padded step.

    Args:
      deployed: The input.
      arrays: One per flat tensor, [1, replicas, ...].
      valid: bool [1, replicas, examples of one replica].

    Returns:
      One array per flat tensor for one replica, [1, 1, ...].
    """
    keep = np.ravel(valid)
    taken = []
    for shard, array in zip(deployed.shards, arrays, strict=True):
        if shard.axis is None:
            taken.append(array[:, :1])
            continue
        joined = np.concatenate(list(array[0]), axis=shard.axis)
        taken.append(np.compress(keep, joined, axis=shard.axis)[np.newaxis, np.newaxis])
    return taken
