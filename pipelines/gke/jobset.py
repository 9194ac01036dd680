"""A program on a slice of TPUs with one or several hosts, as a JobSet of Kubernetes."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import yaml

from tfx_tpu_estimator.components.option_checks import CheckedNames, check_int
from tfx_tpu_estimator.whole_files import write_local_file

from ..container_environment import check_environment, list_variables
from ..tpu_shapes import GKE_SHAPES, TPUShape, find_shape

_ACCELERATORS = {
    "v4": "tpu-v4-podslice",
    "v5e": "tpu-v5-lite-podslice",
    "v5p": "tpu-v5p-slice",
    "v6e": "tpu-v6e-slice",
}
# Process 0 listens there for the others; see config/processes.py.
_PORT = 8476
_JOB = "slice"
_CONTAINER = "program"
_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
# Names of objects; a service account may have dots.
_OBJECT = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
# Kubernetes allows a pod's host name so many characters.
_LONGEST = 63
_POD_SUFFIX = 6
_DEFAULT_ENVIRONMENT = {
    "TFX_TPU_ESTIMATOR_PLATFORM": "tpu",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_USE_LEGACY_KERAS": "1",
}
# GKE sets these in every pod that asks for TPUs; the runtime reads them.
_SET_BY_GKE = ("TPU_WORKER_ID", "TPU_WORKER_HOSTNAMES")


@dataclasses.dataclass(frozen=True, kw_only=True)
class JobSetConfig(CheckedNames):
    """One program on one slice of TPUs of Google Kubernetes Engine.

    Attributes:
      name: Of the JobSet: lower-case letters, digits and `-`.
      image: Container image; it must hold this package and the program.
      topology: Generation and topology of the slice, such as `v5e:4x4`.
      command: What every host runs, program and arguments.
      machine_type: Where a topology comes with several; None for the one with the fewest hosts.
      namespace: Of Kubernetes; None for the one that `kubectl` uses.
      service_account: Of Kubernetes; None for the namespace's own.
      restarts: How often all hosts are started again after one has failed; the program goes on
        from its last checkpoint.
      slices: 1; several are not supported.
      environment: {variable: value} of the containers.

    Raises:
      TypeError: A name is no field, with the nearest that is one, or a value of another type.
      ValueError: A value is wrong; the message says which are right.

    Example:
      JobSetConfig(name="resnet", image="registry/resnet:1", topology="v5e:4x4",
                   command=("tfx-tpu-estimator", "run", "/app/resnet.py"))
    """

    name: str
    image: str
    topology: str
    command: tuple[str, ...]
    machine_type: str | None = None
    namespace: str | None = None
    service_account: str | None = None
    restarts: int = 3
    slices: int = 1
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = self.shape
        check_int("restarts", self.restarts, 0)
        check_int("slices", self.slices, 1)
        if self.slices > 1:
            raise ValueError(
                f"`slices` must be 1, got {self.slices}: the runtime connects the hosts of one "
                "slice only. Take a larger topology."
            )
        _check_name(self.name, shape)
        if not isinstance(self.image, str) or not re.fullmatch(r"\S+", self.image):
            raise ValueError(f"`image` must be the name of a container image, got {self.image!r}.")
        if not self.command or not all(isinstance(part, str) for part in self.command):
            raise ValueError(f"`command` must be a program and its arguments, got {self.command}.")
        for field in ("namespace", "service_account"):
            value = getattr(self, field)
            if value is not None and not _OBJECT.fullmatch(str(value)):
                raise ValueError(
                    f"`{field}` must be a name of Kubernetes (lower-case letters, digits, '-' and "
                    f"'.') or None, got {value!r}."
                )
        check_environment(self.environment)
        for key in _SET_BY_GKE:
            if key in self.environment:
                raise ValueError(
                    f"`environment` has {key}, which GKE sets in each pod: leave it out."
                )

    @property
    def shape(self) -> TPUShape:
        """The slice."""
        return find_shape("topology", self.topology, self.machine_type, GKE_SHAPES)


def create_jobset(config: JobSetConfig) -> dict[str, Any]:
    """Returns the manifest of a JobSet, `jobset.x-k8s.io/v1alpha2`, as plain data.

    One Job with a pod for each host of the slice, alone on its node pool. GKE tells each pod by
    TPU_WORKER_ID and TPU_WORKER_HOSTNAMES who it is and who the others are, from which the
    runtime connects them. When one fails, all start again.

    Args:
      config: What to run, and on which slice.

    Example:
      yaml.safe_dump(create_jobset(config))
    """
    metadata: dict[str, Any] = {
        "name": config.name,
        # A Job takes a node pool, which is a slice, for itself.
        "annotations": {
            "alpha.jobset.sigs.k8s.io/exclusive-topology": "cloud.google.com/gke-nodepool"
        },
    }
    if config.namespace is not None:
        metadata["namespace"] = config.namespace
    job = {
        "parallelism": config.shape.hosts,
        "completions": config.shape.hosts,
        "completionMode": "Indexed",
        # A host by itself cannot be started again: the others would wait for it in vain.
        "backoffLimit": 0,
        "template": {"spec": _create_pod(config)},
    }
    return {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": metadata,
        "spec": {
            "failurePolicy": {"maxRestarts": config.restarts},
            # Names of pods that others find before they are ready.
            "network": {"enableDNSHostnames": True, "publishNotReadyAddresses": True},
            "replicatedJobs": [{"name": _JOB, "replicas": 1, "template": {"spec": job}}],
        },
    }


def write_jobset(config: JobSetConfig, output_file: str) -> None:
    """Writes the manifest as YAML, beside and then renamed.

    Args:
      config: What to run, and on which slice.
      output_file: Where to write it: .yaml or .yml.

    Raises:
      ValueError: Another ending.
    """
    if not output_file.endswith((".yaml", ".yml")):
        raise ValueError(f"`output_file` must end in .yaml or .yml, got {output_file!r}.")
    write_local_file(output_file, format_jobset(config))


def format_jobset(config: JobSetConfig) -> str:
    """Returns the manifest as YAML."""
    return yaml.safe_dump(create_jobset(config), sort_keys=False)


def _create_pod(config: JobSetConfig) -> dict[str, Any]:
    shape = config.shape
    chips = {"google.com/tpu": shape.chips_per_host}
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "nodeSelector": {
            "cloud.google.com/gke-tpu-accelerator": _ACCELERATORS[shape.generation],
            "cloud.google.com/gke-tpu-topology": shape.topology,
        },
        "containers": [
            {
                "name": _CONTAINER,
                "image": config.image,
                "command": list(config.command),
                "env": list_variables(_DEFAULT_ENVIRONMENT, config.environment),
                "ports": [{"containerPort": _PORT}],
                "resources": {"requests": dict(chips), "limits": dict(chips)},
            }
        ],
    }
    if config.service_account is not None:
        pod["serviceAccountName"] = config.service_account
    return pod


def _check_name(name: Any, shape: TPUShape) -> None:
    # A pod is called <JobSet>-<Job>-0-<host>-<five characters>.
    rest = len(f"-{_JOB}-0-{shape.hosts - 1}") + _POD_SUFFIX
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > _LONGEST - rest:
        raise ValueError(
            f"`name` must be 1 to {_LONGEST - rest} lower-case letters, digits and '-', begin with "
            f"a letter and end with no '-'; got {name!r}."
        )
