"""Google Kubernetes Engine: programs on slices of several hosts."""

from __future__ import annotations

from tfx_tpu_estimator.lazy_exports import lazy_exports

_EXPORTS = {
    "JobSetConfig": ".jobset",
    "create_jobset": ".jobset",
    "write_jobset": ".jobset",
}

__all__ = sorted(_EXPORTS)
__getattr__, __dir__ = lazy_exports(__name__, _EXPORTS)
