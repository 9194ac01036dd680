"""Google Kubernetes Engine: programs on slices of several hosts."""

from __future__ import annotations

import importlib
from typing import Any

_EXPORTS = {
    "JobSetConfig": ".jobset",
    "create_jobset": ".jobset",
    "write_jobset": ".jobset",
}

__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}"
        )
    return getattr(importlib.import_module(_EXPORTS[name], __name__), name)
