"""TF_CONFIG, the environment variable that describes a cluster, read into one frozen object."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

TF_CONFIG_ENV = "TF_CONFIG"


class TaskType:
    """Names of the jobs of a cluster.

    Attributes:
        MASTER: 'master', the older name of the chief.
        CHIEF: 'chief', the worker that also saves checkpoints.
        WORKER: 'worker'.
        PS: 'ps', a parameter server.
        EVALUATOR: 'evaluator', which stands outside the cluster.
    """

    MASTER = "master"
    CHIEF = "chief"
    WORKER = "worker"
    PS = "ps"
    EVALUATOR = "evaluator"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClusterDescription:
    """This process's place in a cluster.

    Attributes:
        cluster_spec: addresses by job; empty for a single process and for an evaluator.
        task_type: one of TaskType; 'worker' for a single process.
        task_id: index within the job, from 0.
        master: address of this process's session; '' is in-process.
        evaluation_master: address of the session for evaluation; '' is in-process.
        is_chief: whether this process saves checkpoints.
        num_ps_replicas: number of parameter servers.
        num_worker_replicas: number of workers, the chief among them.
        global_id_in_cluster: number over all jobs (chief first, parameter servers last); None for
            an evaluator.
        service: description of the service that started the cluster, or None.
        environment: name of the environment, or None.
        model_dir: model directory for all processes, or None.
    """

    cluster_spec: Any
    task_type: str = TaskType.WORKER
    task_id: int = 0
    master: str = ""
    evaluation_master: str = ""
    is_chief: bool = True
    num_ps_replicas: int = 0
    num_worker_replicas: int = 1
    global_id_in_cluster: int | None = 0
    service: dict[str, Any] | None = None
    environment: str | None = None
    model_dir: str | None = None


def read_tf_config(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Reads TF_CONFIG.

    Args:
        environ: environment variables. Default: those of this process.

    Returns:
        The JSON object; empty if the variable is not set.

    Raises:
        ValueError: if it is not a JSON object.
    """
    text = (os.environ if environ is None else environ).get(TF_CONFIG_ENV) or "{}"
    try:
        config = json.loads(text)
    except ValueError as error:
        raise ValueError(f"TF_CONFIG must be JSON; got {text!r}: {error}.") from error
    if not isinstance(config, dict):
        raise ValueError(f"TF_CONFIG must be a JSON object; got {text!r}.")
    return config


def resolve_cluster(tf_config: Mapping[str, Any]) -> ClusterDescription:
    """Turns the contents of TF_CONFIG into a description of this process.

    Args:
        tf_config: the JSON object: cluster {job: [addresses]}, task {type, index}, and optionally
            service, environment, model_dir, session_master, eval_session_master.

    Returns:
        The description.

    Raises:
        ValueError: if cluster and task do not fit together.
        TypeError: if service is no dict.

    Example:
        >>> resolve_cluster({}).is_chief
        True
    """
    common = _read_common(tf_config)
    cluster_spec = tf.train.ClusterSpec(tf_config.get("cluster", {}))
    task = tf_config.get("task", {})
    if not cluster_spec.jobs:
        placed = _place_single_process(cluster_spec, task)
    elif task.get("type") == TaskType.EVALUATOR:
        placed = _place_evaluator(cluster_spec, task)
    else:
        placed = _place_in_cluster(cluster_spec, task)
    return dataclasses.replace(placed, **common)


def _read_common(tf_config: Mapping[str, Any]) -> dict[str, Any]:
    """Reads the parts that do not depend on this process's task."""
    service = tf_config.get("service")
    if service is not None and not isinstance(service, dict):
        raise TypeError(f'If "service" is set in TF_CONFIG, it must be a dict. Given {service!r}.')
    model_dir = tf_config.get("model_dir")
    if model_dir is not None and not model_dir:
        raise ValueError(
            f"model_dir in TF_CONFIG should be non-empty; got {model_dir!r}. Leave it out instead."
        )
    common = {
        "service": service,
        "environment": tf_config.get("environment"),
        "model_dir": model_dir,
    }
    # An evaluator stands outside the cluster, and has no session there.
    is_evaluator = tf_config.get("task", {}).get("type") == TaskType.EVALUATOR
    if "session_master" in tf_config and not is_evaluator:
        common["master"] = tf_config["session_master"]
    if "eval_session_master" in tf_config:
        common["evaluation_master"] = tf_config["eval_session_master"]
    return common


def _place_single_process(cluster_spec: Any, task: Mapping[str, Any]) -> ClusterDescription:
    task_type = task.get("type", TaskType.WORKER)
    index = _read_index(task, default=0)
    if task_type != TaskType.WORKER:
        raise ValueError(
            'If "cluster" is not set in TF_CONFIG, task type must be WORKER. '
            f"Got {task_type!r}; describe the cluster, or leave the task out."
        )
    if index != 0:
        raise ValueError(
            f'If "cluster" is not set in TF_CONFIG, task index must be 0. Got {index}.'
        )
    return ClusterDescription(cluster_spec=cluster_spec)


def _place_evaluator(cluster_spec: Any, task: Mapping[str, Any]) -> ClusterDescription:
    _validate_chief(cluster_spec)
    if TaskType.MASTER in cluster_spec.jobs:
        raise ValueError(
            "If `master` node exists in `cluster`, task_type `evaluator` is not supported. "
            "Name the node `chief` instead."
        )
    return ClusterDescription(
        cluster_spec=tf.train.ClusterSpec({}),
        task_type=TaskType.EVALUATOR,
        task_id=_read_index(task, default=None),
        is_chief=False,
        num_worker_replicas=0,
        global_id_in_cluster=None,
    )


def _place_in_cluster(cluster_spec: Any, task: Mapping[str, Any]) -> ClusterDescription:
    chief = _validate_chief(cluster_spec)
    task_type = task.get("type")
    if not task_type:
        raise ValueError(
            'If "cluster" is set in TF_CONFIG, task type must be set. '
            f"Got task {dict(task)!r}; give it one of {sorted(cluster_spec.jobs)}."
        )
    task_id = _read_index(task, default=None)
    sizes = {job: cluster_spec.num_tasks(job) for job in cluster_spec.jobs}
    if task_type not in sizes:
        raise ValueError(
            f"{task_type} is not a valid task_type in the cluster_spec: {cluster_spec}. "
            f"It has the jobs {sorted(sizes)}; an evaluator needs no address."
        )
    if task_id not in cluster_spec.task_indices(task_type):
        raise ValueError(
            f"{task_id} is not a valid task_id for task_type {task_type} in the cluster_spec: "
            f"{cluster_spec}. That job has the tasks {cluster_spec.task_indices(task_type)}."
        )
    return ClusterDescription(
        cluster_spec=cluster_spec,
        task_type=task_type,
        task_id=task_id,
        master=_build_master(cluster_spec, task_type, task_id),
        is_chief=task_type == chief,
        num_ps_replicas=sizes.get(TaskType.PS, 0),
        num_worker_replicas=sizes.get(TaskType.WORKER, 0) + 1,
        global_id_in_cluster=_number_globally(sizes, task_type, task_id, chief),
    )


def _validate_chief(cluster_spec: Any) -> str:
    """Checks that there is exactly one chief, and returns the name of its job."""
    jobs = cluster_spec.jobs
    if TaskType.MASTER in jobs and TaskType.CHIEF in jobs:
        raise ValueError(
            "If `master` node exists in `cluster`, job `chief` is not supported. "
            "They are two names of one job: keep `chief`."
        )
    chief = TaskType.MASTER if TaskType.MASTER in jobs else TaskType.CHIEF
    if chief not in jobs:
        raise ValueError(
            'If "cluster" is set in TF_CONFIG, it must have one "chief" node. '
            f"Got the jobs {sorted(jobs)}."
        )
    if cluster_spec.num_tasks(chief) > 1:
        raise ValueError(
            f'The "cluster" in TF_CONFIG must have only one "{chief}" node. '
            f"Got {cluster_spec.num_tasks(chief)}; make the others workers."
        )
    return chief


def _read_index(task: Mapping[str, Any], default: int | None) -> int:
    index = task.get("index", default)
    if index is None:
        raise ValueError(
            'If "cluster" is set in TF_CONFIG, task index must be set. '
            f"Got task {dict(task)!r}; tasks of a job are counted from 0."
        )
    try:
        index = int(index)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Task index must be a number in TF_CONFIG; got {index!r}.") from error
    if index < 0:
        raise ValueError(f"Task index must be non-negative number. Got {index} in TF_CONFIG.")
    return index


def _build_master(cluster_spec: Any, task_type: str, task_id: int) -> str:
    # A cluster of one process needs no server: its session runs in-process.
    if len(cluster_spec.jobs) == 1 and cluster_spec.num_tasks(task_type) == 1:
        return ""
    return f"grpc://{cluster_spec.task_address(task_type, task_id)}"


def _number_globally(sizes: Mapping[str, int], task_type: str, task_id: int, chief: str) -> int:
    others = sorted(job for job in sizes if job not in (chief, TaskType.PS))
    order = [chief, *others, TaskType.PS]
    before = order[: order.index(task_type)]
    return sum(sizes.get(job, 0) for job in before) + task_id
