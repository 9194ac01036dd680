"""Tries what can hang or crash in processes of their own: devices, ML Metadata."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import Any

from tfx_tpu_estimator.doctor.finding import Finding, Level
from tfx_tpu_estimator.installed import find_version

_TIMEOUT_SECS = 60.0
_LAST_LINES = 3
_DEVICES = """
    import json
    from tfx_tpu_estimator.execution.pjrt import find_devices
    found = find_devices()
    kinds = sorted({device.device_kind for device in found.devices})
    print(json.dumps({"platform": found.platform, "count": len(found.devices), "kinds": kinds}))
"""
_METADATA = """
    import json
    import ml_metadata
    from ml_metadata.proto import metadata_store_pb2
    config = metadata_store_pb2.ConnectionConfig()
    config.fake_database.SetInParent()
    store = ml_metadata.MetadataStore(config)
    kind = store.put_artifact_type(metadata_store_pb2.ArtifactType(name="tried"))
    print(json.dumps({"id": kind}))
"""


class ProbeError(RuntimeError):
    """What was tried did not work; the message has the last lines it printed."""


def check_devices(timeout_secs: float = _TIMEOUT_SECS) -> list[Finding]:
    """Asks which devices `use_tpu=True` finds, as a run asks.

    Args:
        timeout_secs: After which the process that asks is stopped.
    """
    if find_version("jax") is None:
        return []
    try:
        found = run_probe(_DEVICES, timeout_secs)
    except ProbeError as error:
        return [
            Finding(
                subject="Devices", level=Level.PROBLEM, found=f"jax finds none. {error}",
                way_out="Correct the variable that the message names (XLA_FLAGS, JAX_PLATFORMS, "
                "TFX_TPU_ESTIMATOR_...), or unset it; on a TPU, end other processes that use it.",
            )
        ]  # fmt: skip
    words = {"tpu": "TPU cores", "gpu": "GPUs", "cpu": "virtual devices on the CPU"}
    kinds = f" ({', '.join(found['kinds'])})" if found["platform"] != "cpu" else ""
    text = f"use_tpu=True runs on {found['count']} {words[found['platform']]}{kinds}"
    return [Finding(subject="Devices", level=Level.OK, found=text)]


def check_metadata(timeout_secs: float = _TIMEOUT_SECS) -> list[Finding]:
    """Tries to write to an ML Metadata store in memory, where ml-metadata is installed.

    Args:
        timeout_secs: After which the process that tries is stopped.
    """
    version = find_version("ml-metadata")
    if version is None:
        return []
    try:
        run_probe(_METADATA, timeout_secs)
    except ProbeError as error:
        return [
            Finding(
                subject="ML Metadata", level=Level.PROBLEM,
                found=f"ml-metadata {version} cannot be used: no pipeline runs. {error}",
                way_out="`pip install --force-reinstall --no-deps ml-metadata` for this Python and "
                "protobuf version.",
            )
        ]  # fmt: skip
    return [Finding(subject="ML Metadata", level=Level.OK, found=f"ml-metadata {version} works")]


def run_probe(code: str, timeout_secs: float) -> dict[str, Any]:
    """Runs Python code in a process of its own; blocks.

    Args:
        code: Its last line of output must be a JSON object.
        timeout_secs: After which it is stopped.

    Returns:
        The object.

    Raises:
        ProbeError: It failed, crashed or took too long.
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=timeout_secs,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ProbeError(f"There was no answer within {timeout_secs:g} s.") from error
    lines = done.stdout.strip().splitlines()
    if done.returncode == 0 and lines:
        return json.loads(lines[-1])
    said = " ".join(done.stderr.strip().splitlines()[-_LAST_LINES:]) or "it said nothing"
    ended = f"signal {-done.returncode}" if done.returncode < 0 else f"code {done.returncode}"
    raise ProbeError(f"The attempt ended with {ended}: {said}")
