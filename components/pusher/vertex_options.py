"""VertexDestination: an endpoint of Vertex AI."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

from ..option_checks import CheckedNames, check_type, describe_unknown

_KIND = "VertexDestination"
# Arguments of aiplatform.Model.deploy that stand for something this class has a field for, or that
# TFX sets.
_TAKEN = ("endpoint", "endpoint_name", "project", "project_id", "regions", "sync")
_DEPLOY_ARGS = (
    "accelerator_count",
    "accelerator_type",
    "autoscaling_target_accelerator_duty_cycle",
    "autoscaling_target_cpu_utilization",
    "autoscaling_target_request_count_per_minute",
    "deploy_request_timeout",
    "deployed_model_display_name",
    "deployment_resource_pool",
    "disable_container_logging",
    "enable_access_logging",
    "encryption_spec_key_name",
    "explanation_metadata",
    "explanation_parameters",
    "labels",
    "machine_type",
    "max_replica_count",
    "metadata",
    "min_replica_count",
    "network",
    "required_replica_count",
    "reservation_affinity_key",
    "reservation_affinity_type",
    "reservation_affinity_values",
    "service_account",
    "spot",
    "system_labels",
    "tpu_topology",
    "traffic_percentage",
    "traffic_split",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class VertexDestination(CheckedNames):
    """Where on Vertex AI a model is deployed, and how.

    Attributes:
        project: Google Cloud project.
        region: Such as `us-central1`.
        endpoint_name: Display name of the endpoint; made if there is none.
        container_image: URI of the serving container's image.
        deploy_args: Arguments of `aiplatform.Model.deploy`, passed through, such as
            `machine_type`, `min_replica_count` and `traffic_percentage`; also `labels`.

    Example:
        VertexDestination(
            project="my-project",
            region="us-central1",
            endpoint_name="taxi",
            container_image="us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest",
            deploy_args={"machine_type": "n1-standard-4"},
        )
    """

    project: str
    region: str
    endpoint_name: str
    container_image: str
    deploy_args: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("project", "region", "endpoint_name", "container_image"):
            check_type(name, getattr(self, name), str)
            if not getattr(self, name):
                raise ValueError(f"`{name}` is empty.")
        if not re.fullmatch(r"[a-z]+(-[a-z]+)+\d+", self.region):
            raise ValueError(
                f"`region` must be a region of Google Cloud such as 'us-central1', got "
                f"{self.region!r}."
            )
        object.__setattr__(self, "deploy_args", _check_deploy_args(self.deploy_args))

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain data."""
        return dataclasses.asdict(self)


def _check_deploy_args(value: Any) -> dict[str, Any]:
    check_type("deploy_args", value, Mapping)
    for name in value:
        if name in _TAKEN:
            raise ValueError(
                f"`deploy_args` has {name!r}, which follows from the fields of {_KIND}: leave it "
                "out."
            )
        if name not in _DEPLOY_ARGS:
            raise ValueError(describe_unknown("aiplatform.Model.deploy", name, _DEPLOY_ARGS))
    try:
        json.dumps(dict(value))
    except (TypeError, ValueError) as error:
        raise TypeError(f"`deploy_args` must hold only what JSON can say: {error}.") from error
    return dict(value)
