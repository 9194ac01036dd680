"""Which processes run an estimator together, and which of them this one is."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from tfx_tpu_estimator.config.cluster import TaskType
from tfx_tpu_estimator.errors import FeatureNotAvailableError

COORDINATOR_VARIABLE = "TFX_TPU_ESTIMATOR_COORDINATOR"
NUM_PROCESSES_VARIABLE = "TFX_TPU_ESTIMATOR_NUM_PROCESSES"
PROCESS_ID_VARIABLE = "TFX_TPU_ESTIMATOR_PROCESS_ID"
TIMEOUT_VARIABLE = "TFX_TPU_ESTIMATOR_CONNECT_TIMEOUT_SECS"
POD_ID_VARIABLE = "TPU_WORKER_ID"
POD_HOSTS_VARIABLE = "TPU_WORKER_HOSTNAMES"
DEFAULT_TIMEOUT_SECS = 300.0
# Nobody can say one in the variables of a TPU pod; jax's own choice for pods.
DEFAULT_PORT = 8476


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProcessPlace:
    """The processes of one run, and this one's place among them.

    Attributes:
        coordinator: host:port of process 0, where the others find it.
        num_processes: how many there are, at least 2.
        process_id: this one; 0 is the chief, which saves checkpoints.
        names: what each is called in messages.
        timeout_secs: how long to wait for the others at the start.
    """

    coordinator: str
    num_processes: int
    process_id: int
    names: tuple[str, ...]
    timeout_secs: float = DEFAULT_TIMEOUT_SECS


def resolve_place(config: Any, environ: Mapping[str, str] | None = None) -> ProcessPlace | None:
    """Finds out which processes run together.

    The variables TFX_TPU_ESTIMATOR_COORDINATOR (host:port), TFX_TPU_ESTIMATOR_NUM_PROCESSES and
    TFX_TPU_ESTIMATOR_PROCESS_ID come first, then the cluster of TF_CONFIG, then the variables of a
    TPU pod. The coordinator's variable alone replaces the address that the others would give.

    Args:
        config: the RunConfig.
        environ: environment variables. Default: those of this process.

    Returns:
        This process's place, or None where it runs alone.

    Raises:
        ValueError: if settings are incomplete, or contradict each other.
        FeatureNotAvailableError: if the cluster has jobs other than chief and worker.

    Example:
        >>> from tfx_tpu_estimator import RunConfig
        >>> from tfx_tpu_estimator import RunConfig
        >>> environ = {"TPU_WORKER_ID": "1", "TPU_WORKER_HOSTNAMES": "a,b"}
        >>> resolve_place(RunConfig(), environ).coordinator
        'a:8476'
    """
    environ = os.environ if environ is None else environ
    place = _from_variables(environ) or _from_cluster(config) or _from_pod(environ)
    if place is None or place.num_processes == 1:
        return None
    coordinator = environ.get(COORDINATOR_VARIABLE) or place.coordinator
    _validate_address(coordinator)
    if not 0 <= place.process_id < place.num_processes:
        raise ValueError(
            f"The process id must be from 0 to {place.num_processes - 1}; got {place.process_id}. "
            "Each process needs another one, counted from 0."
        )
    timeout = _read_timeout(environ, config.session_creation_timeout_secs)
    return dataclasses.replace(place, coordinator=coordinator, timeout_secs=timeout)


def _from_variables(environ: Mapping[str, str]) -> ProcessPlace | None:
    given = {n: environ.get(n) for n in (NUM_PROCESSES_VARIABLE, PROCESS_ID_VARIABLE)}
    if not any(given.values()):
        return None
    coordinator = environ.get(COORDINATOR_VARIABLE)
    missing = [n for n, v in {**given, COORDINATOR_VARIABLE: coordinator}.items() if not v]
    if missing:
        raise ValueError(
            f"A run of several processes needs {', '.join(missing)} as well; set all three of "
            f"{COORDINATOR_VARIABLE}, {NUM_PROCESSES_VARIABLE} and {PROCESS_ID_VARIABLE}."
        )
    count = _read_int(environ, NUM_PROCESSES_VARIABLE)
    if count < 1:
        raise ValueError(f"`{NUM_PROCESSES_VARIABLE}` must be at least 1; got {count}.")
    return ProcessPlace(
        coordinator=str(coordinator),
        num_processes=count,
        process_id=_read_int(environ, PROCESS_ID_VARIABLE),
        names=tuple(f"process {i}" for i in range(count)),
    )


def _from_cluster(config: Any) -> ProcessPlace | None:
    jobs = config.cluster_spec.as_dict()
    if not jobs:
        return None
    chief = TaskType.MASTER if TaskType.MASTER in jobs else TaskType.CHIEF
    others = sorted(set(jobs) - {chief, TaskType.WORKER})
    # A cluster resolver gives addresses, but TF_CONFIG alone says which of them is this process.
    if others or chief not in jobs or config.task_type not in jobs:
        raise FeatureNotAvailableError(
            f"A run of several processes is made of one {chief} and workers, described by "
            f"TF_CONFIG; the cluster has the jobs {sorted(jobs)} and this task is "
            f"{config.task_type!r}. Leave out other jobs; parameter servers are not available."
        )
    tasks = [(job, i) for job in (chief, TaskType.WORKER) for i in range(len(jobs.get(job, ())))]
    return ProcessPlace(
        coordinator=jobs[chief][0],
        num_processes=len(tasks),
        process_id=tasks.index((config.task_type, config.task_id)),
        names=tuple(f"process {n} ({job} {i}, {jobs[job][i]})" for n, (job, i) in enumerate(tasks)),
    )


def _from_pod(environ: Mapping[str, str]) -> ProcessPlace | None:
    hosts = [h.strip() for h in environ.get(POD_HOSTS_VARIABLE, "").split(",") if h.strip()]
    if len(hosts) < 2:
        return None
    if not environ.get(POD_ID_VARIABLE):
        raise ValueError(
            f"`{POD_HOSTS_VARIABLE}` names {len(hosts)} hosts, but `{POD_ID_VARIABLE}`, which says "
            "which of them this is, is not set."
        )
    return ProcessPlace(
        coordinator=f"{hosts[0].split(':')[0]}:{DEFAULT_PORT}",
        num_processes=len(hosts),
        process_id=_read_int(environ, POD_ID_VARIABLE),
        names=tuple(f"process {n} ({host})" for n, host in enumerate(hosts)),
    )


def _read_int(environ: Mapping[str, str], name: str) -> int:
    text = environ[name]
    if not text.isdecimal():
        raise ValueError(f"`{name}` must be an integer, at least 0; got {text!r}.")
    return int(text)


def _read_timeout(environ: Mapping[str, str], limit: float) -> float:
    text = environ.get(TIMEOUT_VARIABLE) or str(DEFAULT_TIMEOUT_SECS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"`{TIMEOUT_VARIABLE}` must be a number of seconds > 0; got {text!r}.")
    return min(seconds, limit)


def _validate_address(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(
            f"The coordinator's address must be host:port, as process 0 can be reached from all "
            f"others; got {address!r}. Correct TF_CONFIG, or set {COORDINATOR_VARIABLE}."
        )
