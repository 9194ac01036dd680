"""A TPUClusterResolver for a runtime that finds its devices itself."""

from __future__ import annotations

import logging
from typing import Any

import tensorflow as tf

_logger = logging.getLogger(__name__)


class TPUClusterResolver(tf.distribute.cluster_resolver.ClusterResolver):
    """Answers as a resolver of the machine the program runs on.

    The old estimator ran a program on a TensorFlow server beside the TPU, whose address a resolver
    looked up. This package talks to the devices of its own machine, so that there is no address:
    the master is the empty string and the cluster is empty.

    Args:
        tpu: Name or address of a TPU; only mentioned in the log.
        zone: Accepted and ignored.
        project: Accepted and ignored.
        job_name: Name of the job of workers.
        **kwargs: Accepted and ignored: credentials, coordinators and the like.
    """

    def __init__(
        self,
        tpu: Any = None,
        zone: str | None = None,
        project: str | None = None,
        job_name: str = "worker",
        **kwargs: Any,
    ):
        self._tpu = tpu
        self._job_name = job_name
        self.task_type, self.task_id = job_name, 0
        if tpu not in (None, "", "local"):
            _logger.warning(
                "TPUClusterResolver(tpu=%r): no TPU is looked up or connected to. The program runs "
                "on the devices of this machine: start it on the machine of the TPU.",
                tpu,
            )

    def master(self, task_type=None, task_id=None, rpc_layer=None) -> str:
        """Returns the empty string: this process."""
        return ""

    def get_master(self) -> str:
        """Returns what `master` returns."""
        return self.master()

    def cluster_spec(self) -> tf.train.ClusterSpec:
        """Returns an empty cluster."""
        return tf.train.ClusterSpec({})

    def get_job_name(self) -> str:
        """Returns the name of the job of workers."""
        return self._job_name

    def num_accelerators(self, task_type=None, task_id=None, config_proto=None) -> dict[str, int]:
        """Returns an empty dict: TensorFlow sees no TPU, the runtime finds it itself."""
        return {}

    @property
    def environment(self) -> str:
        """The empty string: no particular environment."""
        return ""
