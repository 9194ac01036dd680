"""TPUContext: what input_fn and model_fn can learn of the run, as params['context']."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from tfx_tpu_estimator.config.input_pipeline import InputCall
from tfx_tpu_estimator.config.topology import Topology

# Input graphs run in a session of their own process, which has this one host device.
HOST_DEVICE = "/device:CPU:0"


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeviceAssignment:
    """Which core each logical core of each replica is.

    Attributes:
        topology: hosts, cores and replicas.

    Example:
        >>> topology = Topology(num_hosts=1, cores_per_host=8, cores_per_replica=2)
        >>> DeviceAssignment(topology=topology).tpu_ordinal(replica=3, logical_core=1)
        7
    """

    topology: Topology

    @property
    def num_replicas(self) -> int:
        """Replicas over all hosts."""
        return self.topology.num_replicas

    @property
    def num_cores_per_replica(self) -> int:
        """Cores of one replica."""
        return self.topology.cores_per_replica

    def tpu_ordinal(self, replica: int = 0, logical_core: int = 0) -> int:
        """Returns the number of a core on its host."""
        return self.topology.cores_of_replica(replica)[logical_core][1]

    def tpu_device(self, replica: int = 0, logical_core: int = 0) -> str:
        """Returns the name of a core's device."""
        host, core = self.topology.cores_of_replica(replica)[logical_core]
        task = f"/task:{host}" if self.topology.num_hosts > 1 else ""
        return f"{task}/device:TPU:{core}"

    def host_device(self, replica: int = 0, logical_core: int = 0) -> str:
        """Returns the name of the host device of a core."""
        self.topology.cores_of_replica(replica)[logical_core]
        return HOST_DEVICE

    def lookup_replicas(self, task_id: int, logical_core: int) -> list[int]:
        """Returns the replicas whose given logical core is on a host."""
        replicas = range(self.num_replicas)
        return [
            r for r in replicas if self.topology.cores_of_replica(r)[logical_core][0] == task_id
        ]


class TPUContext:
    """The run as input_fn and model_fn see it.

    Args:
        topology: hosts and replicas.
        call: the call of input_fn that gets this object; None for model_fn.

    Example:
        >>> topology = Topology(num_hosts=1, cores_per_host=8)
        >>> TPUContext(topology).num_replicas
        8
    """

    def __init__(self, topology: Topology, call: InputCall | None = None):
        self._topology = topology
        self._call = call

    @property
    def num_replicas(self) -> int:
        """Copies of the model over all hosts."""
        return self._topology.num_replicas

    @property
    def num_hosts(self) -> int:
        """Number of hosts."""
        return self._topology.num_hosts

    @property
    def num_of_replicas_per_host(self) -> int:
        """Replicas of one host.

        Raises:
            ValueError: if a replica takes more than one host.
        """
        return self._topology.replicas_per_host

    def current_input_fn_deployment(self) -> tuple[str, int, int, int]:
        """Returns what this call of input_fn feeds.

        Returns:
            (device of the input graph, index of this call, calls over all hosts, replicas that
            this call feeds).

        Raises:
            RuntimeError: if called from model_fn.
        """
        call = self._input_call()
        return HOST_DEVICE, call.index, call.total, len(call.replicas)

    @property
    def current_host(self) -> int:
        """The host that makes this call of input_fn.

        Raises:
            RuntimeError: if called from model_fn.
        """
        return self._input_call().host

    def device_for_replica(self, replica_id: int) -> str:
        """Returns the name of the device of a replica's first core.

        Args:
            replica_id: 0 to num_replicas - 1.

        Raises:
            ValueError: if there is no such replica.
        """
        return DeviceAssignment(topology=self._topology).tpu_device(replica=replica_id)

    @property
    def tpu_host_placement_function(self) -> Callable[..., str]:
        """A function of either `replica_id` or `host_id` that returns that host's device."""
        return self._place_on_host

    @property
    def device_assignment(self) -> DeviceAssignment:
        """Which cores each replica has.

        Raises:
            RuntimeError: if called from input_fn.
        """
        if self._call is not None:
            raise RuntimeError(
                "This TPUContext instance must not be called from input_fn. `device_assignment` "
                "is for model_fn."
            )
        return DeviceAssignment(topology=self._topology)

    def _input_call(self) -> InputCall:
        if self._call is None:
            raise RuntimeError(
                "This TPUContext instance must not be called from model_fn. "
                "`current_input_fn_deployment` and `current_host` are for input_fn."
            )
        return self._call

    def _place_on_host(self, *, replica_id: int | None = None, host_id: int | None = None) -> str:
        if (replica_id is None) == (host_id is None):
            raise RuntimeError(
                "Give either `replica_id` or `host_id`; got "
                f"`replica_id`={replica_id!r}, `host_id`={host_id!r}."
            )
        if replica_id is not None:
            self._topology.host_of_replica(replica_id)
        else:
            self._topology.replicas_of_host(host_id)  # pyright: ignore[reportArgumentType]
        return HOST_DEVICE
