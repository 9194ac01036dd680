"""How a pipeline's steps run on Kubeflow Pipelines or Vertex: images and resources, checked."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..container_environment import check_environment
from ..node_ids import check_node_ids

# A registry and path, then a tag or a digest or neither.
_IMAGE = re.compile(r"[A-Za-z0-9][\w.:/-]*(@sha256:[0-9a-f]{64})?")


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepResources:
    """What the container of one step may use; what is not given is left to the cluster.

    Attributes:
      cpu_limit: Number of CPUs.
      memory_limit_gib: Memory in GiB.
      accelerator_type: An accelerator as the cluster names it, such as "NVIDIA_TESLA_T4".
      accelerator_count: How many of them.

    Raises:
      ValueError: A value is out of its range.

    Example:
      StepResources(cpu_limit=8, memory_limit_gib=32)
    """

    cpu_limit: float | None = None
    memory_limit_gib: float | None = None
    accelerator_type: str | None = None
    accelerator_count: int | None = None

    def __post_init__(self):
        for key in ("cpu_limit", "memory_limit_gib"):
            value = getattr(self, key)
            if value is not None and (not isinstance(value, int | float) or not value > 0):
                raise ValueError(f"`{key}` must be a number > 0 or None, got {value!r}.")
        kind, count = self.accelerator_type, self.accelerator_count
        if (kind is None) != (count is None):
            raise ValueError(
                "`accelerator_type` and `accelerator_count` go together, got "
                f"{kind!r} and {count!r}."
            )
        if kind is not None and (not isinstance(kind, str) or not kind):
            raise ValueError(f"`accelerator_type` must be a name, got {kind!r}.")
        if count is not None and (not isinstance(count, int) or count < 1):
            raise ValueError(f"`accelerator_count` must be an int >= 1, got {count!r}.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class KubeflowConfig:
    """How a pipeline runs on Kubeflow Pipelines or Vertex.

    Attributes:
      image: The container image of all steps; it must hold this package.
      images: {component id: image} for steps that have one of their own.
      resources: {component id: StepResources}.
      environment: {variable: value} of all containers. Without a value of yours for
        TF_ENABLE_ONEDNN_OPTS it is "0", as on this package's command line: with oneDNN TensorFlow
        gives other last digits, and a model another digest.
      display_name: Name for people; None for the pipeline's.

    Raises:
      ValueError: A value is wrong; the message names it.

    Example:
      KubeflowConfig(
          image="region-docker.pkg.dev/project/images/trainer:1",
          resources={"Trainer": StepResources(cpu_limit=8, memory_limit_gib=32)},
      )
    """

    image: str
    images: Mapping[str, str] = dataclasses.field(default_factory=dict)
    resources: Mapping[str, StepResources] = dataclasses.field(default_factory=dict)
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    display_name: str | None = None

    def __post_init__(self):
        check_environment(self.environment)
        for key, image in {"image": self.image, **self.images}.items():
            if not isinstance(image, str) or not _IMAGE.fullmatch(image):
                name = "image" if key == "image" else f"images[{key!r}]"
                raise ValueError(
                    f"`{name}` must be the name of a container image, such as "
                    f"'registry/project/name:tag', got {image!r}."
                )
        for key, value in self.resources.items():
            if not isinstance(value, StepResources):
                raise ValueError(f"`resources[{key!r}]` must be StepResources, got {value!r}.")

    def check_ids(self, known: Sequence[str]) -> None:
        """Raises ValueError if an image or resources are for a component that is not there.

        Args:
          known: Ids of the pipeline's components.
        """
        for field in ("images", "resources"):
            check_node_ids(field, getattr(self, field), known)


_KEYS = {
    "cpu": "cpu_limit",
    "memory": "memory_limit_gib",
    "accelerator": "accelerator_type",
    "count": "accelerator_count",
}


def read_options(images: Sequence[str], resources: Sequence[str]) -> KubeflowConfig:
    """Reads images and resources from texts, as a command line gives them.

    Args:
      images: "IMAGE" for all steps, once, and "COMPONENT=IMAGE" for single ones.
      resources: "COMPONENT:cpu=8,memory=32,accelerator=NVIDIA_L4,count=1", any part of it.

    Raises:
      ValueError: A text is of another form.
    """
    general = [text for text in images if "=" not in text]
    if len(general) != 1:
        raise ValueError(f"`--image` must be given once without a component, got {general}.")
    own = dict(text.split("=", 1) for text in images if "=" in text)
    steps = {}
    for text in resources:
        component_id, colon, values = text.partition(":")
        if not colon:
            raise ValueError(f"`--resources` must be COMPONENT:KEY=VALUE,..., got {text!r}.")
        steps[component_id] = _read_resources(text, values)
    return KubeflowConfig(image=general[0], images=own, resources=steps)


def _read_resources(text: str, values: str) -> StepResources:
    arguments: dict[str, Any] = {}
    for part in values.split(","):
        key, _, value = part.partition("=")
        if key not in _KEYS:
            raise ValueError(
                f"`--resources` {text!r} has {key!r}; allowed are {', '.join(_KEYS)}, as in "
                "Trainer:cpu=8,memory=32."
            )
        try:
            arguments[_KEYS[key]] = (
                value if key == "accelerator" else int(value) if key == "count" else float(value)
            )
        except ValueError as error:
            raise ValueError(f"`--resources` {text!r}: {value!r} is no number.") from error
    return StepResources(**arguments)
