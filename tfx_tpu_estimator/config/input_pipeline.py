"""Which host calls the input_fn, how often, and which replicas each call feeds."""

from __future__ import annotations

import dataclasses
import logging

from tfx_tpu_estimator.config.topology import Topology
from tfx_tpu_estimator.config.tpu_config import InputPipelineConfig, TPUConfig
from tfx_tpu_estimator.modes import ModeKeys

_logger = logging.getLogger(__name__)

_SPLITTING = (InputPipelineConfig.PER_HOST_V1, InputPipelineConfig.SLICED)


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputCall:
    """One call of the input_fn.

    Attributes:
        index: its number among the calls of all hosts.
        total: how many calls all hosts make.
        host: the host that makes it.
        replicas: the replicas that its batches feed, ascending.
    """

    index: int
    total: int
    host: int
    replicas: tuple[int, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputPlan:
    """All calls of an input_fn over all hosts, and how a step takes batches from them.

    Attributes:
        pipeline: the input configuration.
        topology: hosts and replicas.
        calls: in the order of their index.
    """

    pipeline: InputPipelineConfig
    topology: Topology
    calls: tuple[InputCall, ...]

    def calls_of_host(self, host: int) -> tuple[InputCall, ...]:
        """Returns the calls that a host makes, ascending by the replicas they feed.

        Args:
            host: 0 to num_hosts - 1.

        Returns:
            The calls; none if another host reads this one's input.
        """
        return tuple(call for call in self.calls if call.host == host)

    def gets_per_step(self, call: InputCall) -> int:
        """Returns how many batches one step takes from a call."""
        per_replica = self.pipeline is InputPipelineConfig.PER_HOST_V2
        return len(call.replicas) if per_replica else 1

    def parts_per_batch(self, call: InputCall) -> int:
        """Returns over how many replicas one batch of a call is split."""
        return len(call.replicas) if self.pipeline in _SPLITTING else 1

    def copies_of_host(self, host: int) -> int:
        """Returns how many replicas' batches a host reads per step; one for all in BROADCAST."""
        return sum(
            self.gets_per_step(call) * self.parts_per_batch(call)
            for call in self.calls_of_host(host)
        )


def resolve_input_pipeline(mode: str, tpu_config: TPUConfig) -> InputPipelineConfig:
    """Returns the input configuration of a mode.

    Args:
        mode: one of ModeKeys.
        tpu_config: the configuration.

    Returns:
        That of training; in other modes SLICED where evaluation asks for it, and PER_HOST_V1 for
        PER_SHARD_V1, which is for training only.

    Example:
        >>> config = TPUConfig(per_host_input_for_training=False)
        >>> resolve_input_pipeline("eval", config).name
        'PER_HOST_V1'
    """
    training = tpu_config.per_host_input_for_training
    if mode == ModeKeys.TRAIN:
        return training
    if (
        mode == ModeKeys.EVAL
        and tpu_config.eval_training_input_configuration is InputPipelineConfig.SLICED
    ):
        return InputPipelineConfig.SLICED
    if training is InputPipelineConfig.PER_SHARD_V1:
        return InputPipelineConfig.PER_HOST_V1
    return training


def plan_input_calls(pipeline: InputPipelineConfig, topology: Topology) -> InputPlan:
    """Plans the calls of an input_fn.

    Args:
        pipeline: the input configuration, as `resolve_input_pipeline` returns it.
        topology: hosts and replicas.

    Returns:
        The plan of all hosts.

    Example:
        >>> topology = Topology(num_hosts=2, cores_per_host=2)
        >>> plan = plan_input_calls(InputPipelineConfig.PER_HOST_V1, topology)
        >>> [call.replicas for call in plan.calls]
        [(0, 1), (2, 3)]
    """
    groups = _group_replicas(pipeline, topology)
    once = pipeline in (InputPipelineConfig.BROADCAST, InputPipelineConfig.SLICED)
    calls = tuple(
        InputCall(
            index=index,
            total=len(groups),
            host=0 if once else topology.host_of_replica(replicas[0]),
            replicas=replicas,
        )
        for index, replicas in enumerate(groups)
    )
    return InputPlan(pipeline=pipeline, topology=topology, calls=calls)


def _group_replicas(pipeline: InputPipelineConfig, topology: Topology) -> list[tuple[int, ...]]:
    """Returns the replicas that each call feeds."""
    replicas = range(topology.num_replicas)
    if pipeline in (InputPipelineConfig.BROADCAST, InputPipelineConfig.SLICED):
        return [tuple(replicas)]
    if pipeline is InputPipelineConfig.PER_SHARD_V1 or topology.is_replica_across_hosts:
        return [(replica,) for replica in replicas]
    return [topology.replicas_of_host(host) for host in range(topology.num_hosts)]


def validate_hosts(mode: str, pipeline: InputPipelineConfig, topology: Topology) -> None:
    """Refuses evaluation and prediction on several hosts where results would be wrong.

    Args:
        mode: one of ModeKeys.
        pipeline: the input configuration of that mode.
        topology: hosts and replicas.

    Raises:
        ValueError: if evaluation has several hosts, and an input configuration that is neither
            BROADCAST, SLICED nor PER_HOST_V2; or prediction one that is neither BROADCAST, nor
            PER_HOST_V2 with one replica.
    """
    if mode == ModeKeys.TRAIN or topology.num_hosts == 1:
        return
    per_replica = pipeline is InputPipelineConfig.PER_HOST_V2
    if pipeline in (InputPipelineConfig.BROADCAST, InputPipelineConfig.SLICED):
        return
    if mode == ModeKeys.EVAL and per_replica:
        _logger.warning(
            "evaluate on %d hosts: each host reads its own part of the input, and all must have "
            "equally many batches.",
            topology.num_hosts,
        )
        return
    if mode == ModeKeys.PREDICT and per_replica and topology.num_replicas == 1:
        return
    method, third = (
        ("evaluate", "PER_HOST_V2 mode")
        if mode == ModeKeys.EVAL
        else ("predict", "PER_HOST_V2 mode with num_replicas=1")
    )
    raise ValueError(
        f"TPUEstimator.{method} is only supported under three conditions: 1. num_hosts=1; "
        f"2. BROADCAST mode; 3. {third}. Got mode {pipeline.name}, "
        f"num_hosts={topology.num_hosts}, num_replicas={topology.num_replicas}."
    )
