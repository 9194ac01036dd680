"""Which devices a run is on: asked for, found, or said clearly why not."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

PLATFORM_VARIABLE = "TFX_TPU_ESTIMATOR_PLATFORM"
NUM_CORES_VARIABLE = "TFX_TPU_ESTIMATOR_NUM_CORES"
PLATFORMS = ("tpu", "gpu", "cpu")
# The cores of one host of a TPU v2 or v3.
DEFAULT_VIRTUAL_CORES = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeviceSet:
    """The devices that a run uses, in the order of its replicas.

    Attributes:
      platform: `tpu`, `gpu` or `cpu`.
      devices: jax devices, of all processes.
    """

    platform: str
    devices: tuple[Any, ...]

    @property
    def is_virtual(self) -> bool:
        """Whether they are parts of this host's CPU that stand in for an accelerator."""
        return self.platform == "cpu"

    def describe(self) -> str:
        """Returns one line for the log."""
        count = len(self.devices)
        if self.is_virtual:
            return f"Running on {count} virtual CPU device{'s' * (count != 1)} (no accelerator)."
        kind = getattr(self.devices[0], "device_kind", self.platform)
        return f"Running on {count} {self.platform.upper()} device{'s' * (count != 1)} ({kind})."


def resolve_platform(platform: str | None = None) -> str | None:
    """Returns the platform that the caller or the environment asks for, None to choose.

    Raises:
      ValueError: There is no such platform.
    """
    source, value = "platform", platform
    if value is None and os.environ.get(PLATFORM_VARIABLE):
        source, value = PLATFORM_VARIABLE, os.environ[PLATFORM_VARIABLE].lower()
    if value is not None and value not in PLATFORMS:
        raise ValueError(f"`{source}` must be one of {', '.join(PLATFORMS)}; got {value!r}.")
    return value


def share_cores(num_shards: int | None, num_processes: int) -> int | None:
    """Returns how many of `num_shards` cores each process has.

    Raises:
      ValueError: They cannot be shared out evenly.
    """
    if num_shards is None or num_processes == 1:
        return num_shards
    if num_shards % num_processes:
        raise ValueError(
            f"TPUConfig.num_shards is not set correctly: got {num_shards}, but there are "
            f"{num_processes} processes, each with as many cores. Set `num_shards` to a multiple, "
            "or leave it None."
        )
    return num_shards // num_processes


def validate_processes(devices: Sequence[Any], num_processes: int) -> None:
    """Checks that every process has as many devices as the others.

    Raises:
      ValueError: One has more; lists the numbers.
    """
    if num_processes == 1:
        return
    counts = [sum(d.process_index == i for d in devices) for i in range(num_processes)]
    if len(set(counts)) > 1 or not counts[0]:
        raise ValueError(
            f"The processes have {counts} devices; each must have as many as the others. Give all "
            f"the same {NUM_CORES_VARIABLE} or `num_shards`."
        )


def resolve_virtual_cores(num_shards: int | None = None) -> int:
    """Returns how many virtual CPU devices to make.

    Args:
      num_shards: TPUConfig.num_shards, which comes before the environment.

    Raises:
      ValueError: The environment does not say a positive number.
    """
    if num_shards is not None:
        return num_shards
    text = os.environ.get(NUM_CORES_VARIABLE)
    if not text:
        return DEFAULT_VIRTUAL_CORES
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"`{NUM_CORES_VARIABLE}` must be an integer > 0; got {text!r}.")
    return int(text)
