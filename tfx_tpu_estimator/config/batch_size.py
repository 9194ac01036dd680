"""The global batch size as input_fn and model_fn see it, by mode and input configuration."""

from __future__ import annotations

import dataclasses

from tfx_tpu_estimator.config.arguments import validate_batch_size
from tfx_tpu_estimator.config.topology import Topology
from tfx_tpu_estimator.config.tpu_config import InputPipelineConfig
from tfx_tpu_estimator.modes import ModeKeys, validate_mode

_NAMES = {ModeKeys.TRAIN: "train", ModeKeys.EVAL: "eval", ModeKeys.PREDICT: "predict"}
_METHODS = {ModeKeys.TRAIN: "train", ModeKeys.EVAL: "evaluate", ModeKeys.PREDICT: "predict"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchSizes:
    """One batch size, as seen from three places.

    Attributes:
        total: examples of one step over all replicas (in BROADCAST: of every replica).
        input_fn: params['batch_size'] in input_fn: examples of one batch that it returns.
        model_fn: params['batch_size'] in model_fn: examples of one replica's step.
    """

    total: int
    input_fn: int
    model_fn: int


def resolve_batch_sizes(
    mode: str, batch_size: int | None, pipeline: InputPipelineConfig, topology: Topology
) -> BatchSizes:
    """Divides a global batch size among hosts and replicas.

    Args:
        mode: one of ModeKeys.
        batch_size: the global batch size given to the constructor for that mode.
        pipeline: the input configuration of that mode.
        topology: hosts and replicas.

    Returns:
        The three sizes.

    Raises:
        ValueError: if it is None, not positive, or not divisible by the number of replicas (which
            BROADCAST does not need).
        TypeError: if it is no int.

    Example:
        >>> topology = Topology(num_hosts=1, cores_per_host=8)
        >>> resolve_batch_sizes("train", 64, InputPipelineConfig.PER_HOST_V1, topology).model_fn
        8
    """
    validate_mode(mode)
    batch_size = _validate_given(mode, batch_size)
    if pipeline is InputPipelineConfig.BROADCAST:
        return BatchSizes(total=batch_size, input_fn=batch_size, model_fn=batch_size)
    _validate_divisible(mode, batch_size, topology.num_replicas)
    per_replica = batch_size // topology.num_replicas
    if pipeline is InputPipelineConfig.SLICED:
        per_call = batch_size
    elif (
        pipeline in (InputPipelineConfig.PER_SHARD_V1, InputPipelineConfig.PER_HOST_V2)
        or topology.is_replica_across_hosts
    ):
        per_call = per_replica
    else:
        per_call = batch_size // topology.num_hosts
    return BatchSizes(total=batch_size, input_fn=per_call, model_fn=per_replica)


def _validate_given(mode: str, batch_size: int | None) -> int:
    name = f"{_NAMES[mode]}_batch_size"
    if batch_size is None and mode == ModeKeys.TRAIN:
        raise ValueError("`train_batch_size` cannot be `None` if .train is running on TPU.")
    if batch_size is None:
        raise ValueError(
            f"{name} in TPUEstimator constructor cannot be `None` if .{_METHODS[mode]} is running "
            "on TPU. Give the global batch size."
        )
    validate_batch_size(name, batch_size)
    return batch_size


def _validate_divisible(mode: str, batch_size: int, num_replicas: int) -> None:
    if batch_size % num_replicas:
        raise ValueError(
            f"{_NAMES[mode]} batch size {batch_size} must be divisible by number of replicas "
            f"{num_replicas}. Nearest: {batch_size // num_replicas * num_replicas or num_replicas}"
            f" or {-(-batch_size // num_replicas) * num_replicas}."
        )
