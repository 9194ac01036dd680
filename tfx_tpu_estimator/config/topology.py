"""Hosts, cores and replicas of a run, and which belongs to which: plain arithmetic."""

from __future__ import annotations

import dataclasses
import logging

import tensorflow as tf

from tfx_tpu_estimator.config.integers import validate_int
from tfx_tpu_estimator.config.tpu_config import InputPipelineConfig, TPUConfig
from tfx_tpu_estimator.errors import FeatureNotAvailableError

_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Topology:
    """How many hosts, cores and replicas there are.

    Cores are numbered host by host, and replicas take them in that order.

    Attributes:
        num_hosts: processes, each of which feeds its own cores.
        cores_per_host: cores of one host.
        cores_per_replica: cores that share one copy of the model. Default 1.

    Example:
        >>> topology = Topology(num_hosts=2, cores_per_host=8, cores_per_replica=2)
        >>> topology.num_replicas, topology.replicas_of_host(1)
        (8, (4, 5, 6, 7))
    """

    num_hosts: int
    cores_per_host: int
    cores_per_replica: int = 1

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            validate_int(field.name, value)
            if value < 1:
                raise ValueError(f"`{field.name}` must be positive; got {value}.")
        smaller, larger = sorted((self.cores_per_host, self.cores_per_replica))
        if larger % smaller or self.num_cores % self.cores_per_replica:
            raise ValueError(
                f"`num_cores_per_replica` {self.cores_per_replica} does not divide "
                f"{self.num_hosts} host(s) of {self.cores_per_host} cores into whole replicas. "
                "Choose a divisor of the cores of a host, or a multiple that divides all cores."
            )

    @property
    def num_cores(self) -> int:
        """Cores of all hosts."""
        return self.num_hosts * self.cores_per_host

    @property
    def num_replicas(self) -> int:
        """Copies of the model over all hosts."""
        return self.num_cores // self.cores_per_replica

    @property
    def is_replica_across_hosts(self) -> bool:
        """Whether one replica takes the cores of several hosts."""
        return self.cores_per_replica > self.cores_per_host

    @property
    def replicas_per_host(self) -> int:
        """Replicas of one host.

        Raises:
            ValueError: if a replica takes more than one host.
        """
        if self.is_replica_across_hosts:
            raise ValueError(
                "num_of_replicas_per_host has no value when a replica spans hosts: "
                f"`num_cores_per_replica` is {self.cores_per_replica}, and a host has "
                f"{self.cores_per_host} cores. Use num_replicas and num_hosts instead."
            )
        return self.cores_per_host // self.cores_per_replica

    def host_of_replica(self, replica: int) -> int:
        """Returns the host that feeds a replica: the one of its first core.

        Args:
            replica: 0 to num_replicas - 1.

        Raises:
            ValueError: if there is no such replica.
        """
        return self._first_core(replica) // self.cores_per_host

    def replicas_of_host(self, host: int) -> tuple[int, ...]:
        """Returns the replicas that a host feeds, ascending.

        Args:
            host: 0 to num_hosts - 1.

        Returns:
            Their numbers; none if the host has no replica's first core.

        Raises:
            ValueError: if there is no such host.
        """
        self._validate_index("host", host, self.num_hosts)
        replicas = range(self.num_replicas)
        return tuple(r for r in replicas if self.host_of_replica(r) == host)

    def cores_of_replica(self, replica: int) -> tuple[tuple[int, int], ...]:
        """Returns the cores of a replica as (host, core of that host), in their logical order.

        Args:
            replica: 0 to num_replicas - 1.

        Raises:
            ValueError: if there is no such replica.
        """
        first = self._first_core(replica)
        cores = range(first, first + self.cores_per_replica)
        return tuple(divmod(core, self.cores_per_host) for core in cores)

    def _first_core(self, replica: int) -> int:
        self._validate_index("replica", replica, self.num_replicas)
        return replica * self.cores_per_replica

    @staticmethod
    def _validate_index(what: str, index: int, count: int) -> None:
        validate_int(what, index)
        if not 0 <= index < count:
            raise ValueError(f"`{what}` must be from 0 to {count - 1}; got {index}.")


def resolve_topology(tpu_config: TPUConfig, *, num_hosts: int, cores_per_host: int) -> Topology:
    """Fits what a configuration asks for to the cores that were found.

    Args:
        tpu_config: its num_shards, num_cores_per_replica and per_host_input_for_training count.
        num_hosts: hosts found.
        cores_per_host: cores found on each.

    Returns:
        The topology. With num_shards=1 and no num_cores_per_replica it is a single core, and a
        warning names the cores that stay idle.

    Raises:
        RuntimeError: if no core was found.
        ValueError: if num_shards is not the number of replicas, or a replica takes more cores than
            a host has in a mode other than PER_HOST_V2.
        tf.errors.InvalidArgumentError: if a replica takes more cores than there are.

    Example:
        >>> resolve_topology(TPUConfig(), num_hosts=1, cores_per_host=8).num_replicas
        8
    """
    if num_hosts < 1 or cores_per_host < 1:
        raise RuntimeError(
            "Cannot find any TPU cores in the system. Please double check Tensorflow master "
            f"address and TPU worker(s). Found {num_hosts} host(s) with {cores_per_host} cores."
        )
    if tpu_config.num_shards == 1 and tpu_config.num_cores_per_replica is None:
        if num_hosts * cores_per_host > 1:
            _logger.warning(
                "TPUConfig.num_shards=1 uses one core; the other %d stay idle. Leave num_shards "
                "None to use all.",
                num_hosts * cores_per_host - 1,
            )
        return Topology(num_hosts=1, cores_per_host=1)
    cores_per_replica = tpu_config.num_cores_per_replica or 1
    _validate_replica_size(tpu_config, cores_per_replica, cores_per_host)
    _validate_cores(cores_per_replica, num_hosts * cores_per_host)
    topology = Topology(
        num_hosts=num_hosts, cores_per_host=cores_per_host, cores_per_replica=cores_per_replica
    )
    _validate_num_shards(tpu_config.num_shards, topology)
    return topology


def refuse_replica_across_hosts(topology: Topology) -> None:
    """Refuses a replica whose cores belong to several processes.

    Args:
        topology: hosts, cores and replicas.

    Raises:
        FeatureNotAvailableError: naming the setting and the way out.
    """
    if topology.is_replica_across_hosts:
        raise FeatureNotAvailableError(
            "A replica on the cores of several processes is not available in this release; got "
            f"`num_cores_per_replica`={topology.cores_per_replica}, and each of "
            f"{topology.num_hosts} processes has {topology.cores_per_host} cores. Choose a divisor "
            "of that."
        )


def _validate_replica_size(
    tpu_config: TPUConfig, cores_per_replica: int, cores_per_host: int
) -> None:
    if cores_per_replica <= cores_per_host:
        return
    if tpu_config.per_host_input_for_training is not InputPipelineConfig.PER_HOST_V2:
        raise ValueError(
            "Except the PER_HOST_V2 mode, the num of cores required by model parallelism "
            "specified by TPUConfig.num_cores_per_replica should be less than or equal to the "
            f"num_cores_per_host. num_cores_per_replica: {cores_per_replica}, "
            f"num_cores_per_host: {cores_per_host}"
        )


def _validate_cores(cores_per_replica: int, num_cores: int) -> None:
    if cores_per_replica > num_cores:
        # The type is the one that programs written for TPUEstimator know.
        raise tf.errors.InvalidArgumentError(
            None,
            None,
            f"One replica takes {cores_per_replica} cores (TPUConfig.num_cores_per_replica), but "
            f"there are only {num_cores} cores in the TPU topology. Choose a smaller one.",
        )


def _validate_num_shards(num_shards: int | None, topology: Topology) -> None:
    if num_shards is None or num_shards == topology.num_replicas:
        return
    raise ValueError(
        f"TPUConfig.num_shards is not set correctly: got {num_shards}, but there are "
        f"{topology.num_replicas} replicas ({topology.num_hosts} host(s) of "
        f"{topology.cores_per_host} cores, {topology.cores_per_replica} per replica). "
        "Set `num_shards` to the number of replicas, or leave it None."
    )
