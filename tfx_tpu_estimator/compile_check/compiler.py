"""Which TPU compiler is installed; it is not loaded here."""

from __future__ import annotations

import importlib.util

from tfx_tpu_estimator.installed import find_version

_PACKAGE = "libtpu"


class CompilerMissingError(RuntimeError):
    """The TPU compiler is not installed."""


def describe_compiler() -> str:
    """Returns the name and version of the TPU compiler, such as `libtpu 0.0.21`.

    Raises:
      CompilerMissingError: It is not installed; says how to get it.
    """
    if importlib.util.find_spec(_PACKAGE) is None:
        raise CompilerMissingError(
            "The TPU compiler, libtpu, is not installed. Install it with "
            "`pip install 'tfx-tpu-estimator[tpu]'`; it needs no TPU, only Linux on x86-64."
        )
    return f"{_PACKAGE} {find_version(_PACKAGE) or 'of unknown version'}"


def list_versions() -> dict[str, str]:
    """Returns the versions of what a compile check's figures depend on, by name."""
    names = ("tfx-tpu-estimator", "tensorflow", "jax", "jaxlib", _PACKAGE)
    found = {name: find_version(name) for name in names}
    return {name: version for name, version in found.items() if version}
