"""Finds devices through PJRT: TPU cores, GPUs, else virtual devices on the CPU."""

from __future__ import annotations

import glob
import importlib.util
import logging
import os
import re
from typing import Any

from tfx_tpu_estimator.execution.device import (
    NUM_CORES_VARIABLE,
    PLATFORM_VARIABLE,
    DeviceSet,
    resolve_platform,
    resolve_virtual_cores,
)
from tfx_tpu_estimator.lowering.jax_compat import import_jax

_logger = logging.getLogger(__name__)
_COUNT_FLAG = "--xla_force_host_platform_device_count"


def request_virtual_devices(count: int) -> None:
    """Asks for at least `count` virtual CPU devices; only what comes before jax's start counts.

    The flag is read once, when jax's CPU client starts; jax says nothing when it comes too late,
    which is why `find_devices` counts afterwards.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    found = re.search(rf"{_COUNT_FLAG}=(\d+)", flags)
    if found and int(found[1]) >= count:
        return
    kept = re.sub(rf"{_COUNT_FLAG}=\d+", "", flags)
    os.environ["XLA_FLAGS"] = f"{kept} {_COUNT_FLAG}={count}".strip()


def find_devices(platform: str | None = None, num_shards: int | None = None) -> DeviceSet:
    """Finds the devices of this run; starts jax's client if it has not started.

    Args:
      platform: `tpu`, `gpu` or `cpu`; None to take the environment's, else the best there is.
      num_shards: TPUConfig.num_shards: how many virtual CPU devices. It does not choose among
        devices of an accelerator, whose number is what it is.

    Returns:
      The devices.

    Raises:
      ValueError: The platform or the environment's number of cores is unknown.
      RuntimeError: The platform asked for has no devices, or jax's CPU client started before
        there could be so many.
    """
    wanted = resolve_platform(platform)
    cores = resolve_virtual_cores(num_shards)
    # What the environment says may be wanted later in this process, when it would be too late.
    said = os.environ.get(NUM_CORES_VARIABLE)
    request_virtual_devices(max(cores, resolve_virtual_cores()) if said else cores)
    if not _may_have_tpu():
        # Else libtpu, where it is installed, waits minutes for a metadata server.
        os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    jax = import_jax()
    for candidate in ("tpu", "gpu") if wanted is None else (wanted,):
        if candidate == "cpu":
            break
        devices = _list_devices(jax, candidate)
        if devices:
            return DeviceSet(platform=candidate, devices=devices)
        if wanted is not None:
            raise _no_devices_error(jax, wanted, asked=platform is not None)
    return DeviceSet(platform="cpu", devices=_list_virtual_devices(jax, cores))


def _list_devices(jax: Any, platform: str) -> tuple[Any, ...]:
    if platform == "tpu" and not _may_have_tpu():
        return ()
    try:
        return tuple(jax.devices(platform))
    except RuntimeError as error:  # jax's way to say that it has no such platform
        _logger.debug("No %s: %s", platform, error)
        return ()


def _may_have_tpu() -> bool:
    """Whether asking libtpu makes sense; without a chip it only answers after a while."""
    if importlib.util.find_spec("libtpu") is None:
        return False
    return bool(glob.glob("/dev/accel*") or glob.glob("/dev/vfio/[0-9]*"))


def _list_virtual_devices(jax: Any, count: int) -> tuple[Any, ...]:
    devices = tuple(jax.devices("cpu"))
    local = [device for device in devices if device.process_index == jax.process_index()]
    if len(local) < count:
        raise RuntimeError(
            f"Too late to create {count} virtual CPU devices: jax has already started with "
            f"{len(local)}. Set {NUM_CORES_VARIABLE}={count} or "
            f'XLA_FLAGS="{_COUNT_FLAG}={count}" before anything uses jax, or let '
            f"TPUConfig's `num_shards` times `num_cores_per_replica` be at most {len(local)}."
        )
    if jax.process_count() > 1:
        return tuple(d for p in range(jax.process_count())
                     for d in [x for x in devices if x.process_index == p][:count])  # fmt: skip
    return devices[:count]


def _no_devices_error(jax: Any, platform: str, asked: bool) -> RuntimeError:
    present = sorted({str(device) for device in jax.devices()})
    name = "TPU cores" if platform == "tpu" else "GPUs"
    other = "give another `platform`, such as 'cpu'" if asked else f"unset {PLATFORM_VARIABLE}"
    return RuntimeError(
        f"Cannot find any {name} in the system. Please double check that the driver and jax's "
        f"plugin for it are installed, or {other}. Available devices are "
        f"{present}."
    )
