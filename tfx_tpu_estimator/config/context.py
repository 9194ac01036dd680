"""TPUContext: what input_fn and model_fn can learn of the run, as params['context']."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.config.input_pipeline import InputCall
from tfx_tpu_estimator.config.topology import Topology

# Input graphs run in a session of their own process, which has this one host device.
HOST_DEVICE = "/device:CPU:0"


def make_device_assignment(topology: Topology) -> tf.tpu.experimental.DeviceAssignment:
    """Describes which core each logical core of each replica is, in TensorFlow's own terms.

    Args:
        topology: hosts, cores and replicas.

    Returns:
        An assignment on a mesh [hosts, 1, 1, cores of a host], a task for each host. What the cores
        are to each other in a real TPU it does not say.

    Example:
        >>> topology = Topology(num_hosts=1, cores_per_host=8, cores_per_replica=2)
        >>> int(make_device_assignment(topology).tpu_ordinal(replica=3, logical_core=1))
        7
    """
    hosts, cores = topology.num_hosts, topology.cores_per_host
    mesh = [[(host, 0, 0, core) for core in range(cores)] for host in range(hosts)]
    replicas = map(topology.cores_of_replica, range(topology.num_replicas))
    return tf.tpu.experimental.DeviceAssignment(
        topology=tf.tpu.experimental.Topology(
            mesh_shape=[hosts, 1, 1, cores], device_coordinates=np.array(mesh, np.int32)
        ),
        core_assignment=np.array(
            [[mesh[host][core] for host, core in replica] for replica in replicas], np.int32
        ),
    )


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
        host, core = self._topology.cores_of_replica(replica_id)[0]
        task = f"/task:{host}" if self._topology.num_hosts > 1 else ""
        return f"{task}/device:TPU:{core}"

    @property
    def tpu_host_placement_function(self) -> Callable[..., str]:
        """A function of either `replica_id` or `host_id` that returns that host's device."""
        return self._place_on_host

    @property
    def device_assignment(self) -> tf.tpu.experimental.DeviceAssignment:
        """Which cores each replica has.

        Raises:
            RuntimeError: if called from input_fn.
        """
        if self._call is not None:
            raise RuntimeError(
                "This TPUContext instance must not be called from input_fn. `device_assignment` "
                "is for model_fn."
            )
        return make_device_assignment(self._topology)

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
