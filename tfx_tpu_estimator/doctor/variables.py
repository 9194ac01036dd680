"""Environment variables that change what runs, or how fast it starts."""

from __future__ import annotations

import glob
import importlib.util
import json
import os
import sys
from collections.abc import Mapping

from tfx_tpu_estimator.doctor.finding import Finding, Level

_KERAS = "TF_USE_LEGACY_KERAS"
_BYTECODE = "PYTHONDONTWRITEBYTECODE"


def check_variables(
    environ: Mapping[str, str], loaded_early: frozenset[str] = frozenset()
) -> list[Finding]:
    """Looks at the environment variables of this process.

    Args:
        environ: The variables.
        loaded_early: Which of `jax` and `tensorflow` Python had loaded before anything of this
            package, as a .pth file or a sitecustomize module can do.
    """
    return [
        _check_keras(environ, loaded_early),
        _check_bytecode(environ),
        *_check_flags(environ, loaded_early),
        *_check_platforms(environ),
        *_check_cluster(environ),
    ]


def list_early_modules() -> frozenset[str]:
    """Returns which libraries are loaded that read the environment only once."""
    return frozenset({"jax", "tensorflow"} & set(sys.modules))


def _check_keras(environ: Mapping[str, str], loaded_early: frozenset[str]) -> Finding:
    value = environ.get(_KERAS)
    if value is not None and value.lower() not in ("1", "true"):
        return Finding(
            subject=_KERAS, level=Level.PROBLEM,
            found=f"is {value!r}: tf.compat.v1.layers and tf.keras optimizers in model_fns fail "
            "with Keras 3.",
            way_out=f"`unset {_KERAS}`; this package then sets it.",
        )  # fmt: skip
    if "tensorflow" in loaded_early and value is None:
        return Finding(
            subject=_KERAS, level=Level.PROBLEM,
            found="cannot be set any more: something loads TensorFlow when Python starts.",
            way_out=f"`export {_KERAS}=1`, or import tfx_tpu_estimator first.",
        )  # fmt: skip
    found = "is set" if value else "is set by this package, if it is imported before TensorFlow"
    return Finding(subject=_KERAS, level=Level.OK, found=found)


def _check_bytecode(environ: Mapping[str, str]) -> Finding:
    if not environ.get(_BYTECODE):
        return Finding(subject=_BYTECODE, level=Level.OK, found="is not set")
    if _has_bytecode("tensorflow"):
        found = "is set; TensorFlow's bytecode is there all the same"
        return Finding(subject=_BYTECODE, level=Level.OK, found=found)
    return Finding(
        subject=_BYTECODE, level=Level.ATTENTION,
        found="is set, and TensorFlow is not compiled: every start compiles it anew, which was "
        "measured to take 17 s instead of 6.",
        way_out=f"`unset {_BYTECODE}`, or `python -m compileall` over the environment once.",
    )  # fmt: skip


def _has_bytecode(package: str) -> bool:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return True  # nothing that could be compiled
    return os.path.exists(importlib.util.cache_from_source(spec.origin))


def _check_flags(environ: Mapping[str, str], loaded_early: frozenset[str]) -> list[Finding]:
    flags = environ.get("XLA_FLAGS", "")
    if "jax" in loaded_early:
        return [
            Finding(
                subject="XLA_FLAGS", level=Level.ATTENTION,
                found="something loads jax when Python starts; if it also uses it, the number of "
                "virtual devices cannot be chosen any more.",
                way_out="Find it among the .pth files and sitecustomize of this environment, or "
                'set XLA_FLAGS="--xla_force_host_platform_device_count=8" outside of Python.',
            )
        ]  # fmt: skip
    found = f"is {flags!r}" if flags else "is not set; this package sets the number of devices"
    return [Finding(subject="XLA_FLAGS", level=Level.OK, found=found)]


def _check_platforms(environ: Mapping[str, str]) -> list[Finding]:
    platforms = environ.get("JAX_PLATFORMS", "")
    if platforms and "tpu" not in platforms.split(",") and list_tpu_devices():
        return [
            Finding(
                subject="JAX_PLATFORMS", level=Level.ATTENTION,
                found=f"is {platforms!r}: the TPU of this machine is not used.",
                way_out="`unset JAX_PLATFORMS`",
            )
        ]  # fmt: skip
    return []


def _check_cluster(environ: Mapping[str, str]) -> list[Finding]:
    text = environ.get("TF_CONFIG")
    if not text:
        return []
    wrong = _find_cluster_error(text)
    if wrong is None:
        return [Finding(subject="TF_CONFIG", level=Level.OK, found=f"is {text}")]
    return [
        Finding(
            subject="TF_CONFIG", level=Level.PROBLEM, found=f"{wrong}; it is {text!r}.",
            way_out="Correct it, or `unset TF_CONFIG` for a run of one process.",
        )
    ]  # fmt: skip


def _find_cluster_error(text: str) -> str | None:
    """Returns what is wrong with TF_CONFIG at first sight; a run looks at all of it."""
    try:
        content = json.loads(text)
    except ValueError as error:
        return f"must be JSON ({error})"
    if not isinstance(content, dict):
        return "must be a JSON object"
    cluster, task = content.get("cluster", {}), content.get("task", {})
    if not isinstance(cluster, dict) or not isinstance(task, dict):
        return "must have objects as `cluster` and `task`"
    kind = task.get("type")
    if cluster and kind not in (*cluster, "evaluator"):
        return f"describes a task of type {kind!r}, which its cluster lacks"
    return None


def list_tpu_devices() -> list[str]:
    """Returns the device files of TPU chips."""
    return sorted(glob.glob("/dev/accel*") + glob.glob("/dev/vfio/[0-9]*"))
