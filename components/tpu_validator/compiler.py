"""Which TPU compiler this machine has."""

from __future__ import annotations

import importlib.metadata


def find_compiler() -> str | None:
    """Returns the installed TPU compiler, such as `libtpu 0.0.21`; None where there is none.

    It loads nothing. As a parameter of the component it makes TFX check again after an upgrade:
    a cached verdict is that of the compiler that made it.
    """
    for name in ("libtpu", "libtpu-nightly"):
        try:
            return f"libtpu {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            continue
    return None
