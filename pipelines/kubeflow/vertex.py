"""The Trainer as a CustomJob of Vertex AI on a TPU, which a step of a pipeline cannot have."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from tfx_tpu_estimator.components.constants import (
    VERTEX_ENABLE_KEY,
    VERTEX_JOB_KEY,
    VERTEX_REGION_KEY,
)
from tfx_tpu_estimator.components.option_checks import CheckedNames, check_type

from ..container_environment import check_environment, list_variables
from ..tpu_shapes import VERTEX_SHAPES, TPUShape, find_shape

_PATTERNS = {
    "project": (r"[a-z][a-z0-9-]{4,28}[a-z0-9]|[0-9]+", "the id of a project such as 'my-project'"),
    "region": (r"[a-z]+(-[a-z]+)+\d+", "a region of Google Cloud such as 'us-central1'"),
    "image": (r"[^\s]+", "the name of a container image"),
    "service_account": (r"[^\s@]+@[^\s@]+", "an e-mail address of a service account"),
    "display_name": (r".{1,128}", "a name of 1 to 128 characters"),
}
# A single TPU of these has 8 cores, and is told by them.
_BY_CORES = {"v2": "TPU_V2", "v3": "TPU_V3"}
_CORES = 8
_LABEL = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_DEFAULT_ENVIRONMENT = {"TF_ENABLE_ONEDNN_OPTS": "0", "TF_USE_LEGACY_KERAS": "1"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class VertexTPUJob(CheckedNames):
    """A CustomJob of Vertex AI on one slice of TPUs.

    Attributes:
      project: Google Cloud project.
      region: Such as `us-central1`.
      image: Container image; it must hold this package.
      tpu: Generation and topology, such as `v5e:2x4`.
      machine_type: Where a topology comes with several; None for the one with the fewest hosts.
      service_account: As which the job runs; None for Vertex AI's own.
      display_name: Name of the job; None for one that TFX makes.
      labels: {name: value} of the job.
      environment: {variable: value} of its containers, beside TF_ENABLE_ONEDNN_OPTS=0 and
        TF_USE_LEGACY_KERAS=1, which it may change.

    Raises:
      TypeError: A name is no field, with the nearest that is one, or a value of another type.
      ValueError: A value is wrong; the message says which are right.

    Example:
      VertexTPUJob(project="my-project", region="us-west1", image="...", tpu="v5e:2x4")
    """

    project: str
    region: str
    image: str
    tpu: str
    machine_type: str | None = None
    service_account: str | None = None
    display_name: str | None = None
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, (pattern, wanted) in _PATTERNS.items():
            value: Any = getattr(self, name)
            if value is None and name in ("service_account", "display_name"):
                continue
            check_type(name, value, str)
            if not re.fullmatch(pattern, str(value)):
                raise ValueError(f"`{name}` must be {wanted}, got {value!r}.")
        if str(self.tpu).partition(":")[0] == "v4":
            raise ValueError(
                f"`tpu` {self.tpu!r}: Vertex AI's documentation has no v4 for custom training. Use "
                "v5e or v6e, or v4 on GKE by `tfx-tpu-estimator jobset`."
            )
        find_shape("tpu", self.tpu, self.machine_type, VERTEX_SHAPES)
        for key, value in self.labels.items():
            if not _LABEL.fullmatch(str(key)) or not isinstance(value, str):
                raise ValueError(f"`labels` must be {{name: text}}, got {key!r}: {value!r}.")
        check_environment(self.environment)

    @property
    def shape(self) -> TPUShape:
        """The slice."""
        return find_shape("tpu", self.tpu, self.machine_type, VERTEX_SHAPES)

    def to_custom_job_spec(self) -> dict[str, Any]:
        """Returns the CustomJobSpec of Vertex AI's API as plain data, without a command.

        One pool of one replica, whatever the number of hosts: a replica is the whole slice.
        """
        shape = self.shape
        machine: dict[str, Any] = {"machine_type": shape.machine_type}
        if shape.generation in _BY_CORES:
            machine["accelerator_type"] = _BY_CORES[shape.generation]
            machine["accelerator_count"] = _CORES
        else:
            machine["tpu_topology"] = shape.topology
        pool = {
            "machine_spec": machine,
            "replica_count": 1,
            "container_spec": {
                "image_uri": self.image,
                "env": list_variables(_DEFAULT_ENVIRONMENT, self.environment),
            },
        }
        spec: dict[str, Any] = {"worker_pool_specs": [pool]}
        if self.service_account is not None:
            spec["service_account"] = self.service_account
        return spec

    def to_custom_config(self) -> dict[str, Any]:
        """Returns the entries of a Trainer's custom_config that TFX's extension reads."""
        job: dict[str, Any] = {"project": self.project, "job_spec": self.to_custom_job_spec()}
        if self.display_name is not None:
            job["display_name"] = self.display_name
        if self.labels:
            job["labels"] = dict(self.labels)
        return {VERTEX_ENABLE_KEY: True, VERTEX_REGION_KEY: self.region, VERTEX_JOB_KEY: job}


def _check_one_host(job: VertexTPUJob) -> None:
    shape = job.shape
    if shape.hosts == 1:
        return
    # The page "Training with TPU accelerators": the container runs on every host, and its
    # variables are TPU_NODE_NAME and TPU_CONFIG, which are the same on all.
    alone = sorted(
        {s.name for s in VERTEX_SHAPES if s.generation == shape.generation and s.hosts == 1}
    )
    raise ValueError(
        f"`tpu` {job.tpu!r} of {shape.machine_type} has {shape.hosts} hosts. Vertex AI starts the "
        "container on each, but documents no variable that tells it which of them it is on, so "
        "that the Trainer's processes could not find each other. Take a slice of one host "
        f"({', '.join(alone)}), or train on several hosts of GKE, which tells them: "
        "`tfx-tpu-estimator jobset`."
    )


def train_on_vertex(trainer: Any, job: VertexTPUJob) -> Any:
    """Has a Trainer run as a CustomJob, through TFX's own extension.

    The step itself then only starts the job and waits, so that it needs no TPU. The properties of
    the model are read back from the record that the job leaves beside it.

    Args:
      trainer: This package's Trainer, before the pipeline is compiled or run; it is changed.
      job: On which machines.

    Returns:
      The Trainer.

    Raises:
      TypeError: `trainer` is no Trainer of this package, or `job` no VertexTPUJob.
      ValueError: The slice has several hosts, or custom_config is only known at run time.

    Example:
      train_on_vertex(trainer, VertexTPUJob(project="my-project", region="us-west1", image="...",
                                            tpu="v5e:2x4"))
    """
    from tfx.dsl.components.base import executor_spec
    from tfx.types import standard_component_specs as specs
    from tfx.utils import json_utils

    from tfx_tpu_estimator.components import Trainer
    from tfx_tpu_estimator.components.trainer.vertex_executor import Executor

    if not isinstance(trainer, Trainer):
        raise TypeError(f"`trainer` must be tfx_tpu_estimator.components.Trainer, got {trainer!r}.")
    check_type("job", job, VertexTPUJob)
    _check_one_host(job)
    text = trainer.spec.exec_properties.get(specs.CUSTOM_CONFIG_KEY)
    if text is not None and not isinstance(text, str):
        raise ValueError("`custom_config` of the Trainer must be a dict, got a RuntimeParameter.")
    config = json_utils.loads(text or "null") or {}
    trainer.spec.exec_properties[specs.CUSTOM_CONFIG_KEY] = json_utils.dumps(
        {**config, **job.to_custom_config()}
    )
    trainer.executor_spec = executor_spec.ExecutorClassSpec(Executor)
    return trainer
