"""TFX components that run TPUEstimator programs: ImportExampleGen, Trainer, Evaluator, Pusher.

    from tfx_tpu_estimator.components import Evaluator, Pusher, Trainer, TPUEstimatorOptions

Each is a drop-in for the standard component of the same name. TFX is loaded when one
of the components is first used, not when this package is imported.
"""

from __future__ import annotations

import importlib
from typing import Any

_EXPORTS = {
    "Evaluator": ".evaluator.component",
    "ImportExampleGen": ".example_gen.component",
    "Pusher": ".pusher.component",
    "PusherOptions": ".pusher.options",
    "TPUEstimatorOptions": ".options",
    "Trainer": ".trainer.component",
}

__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}"
        )
    value = getattr(importlib.import_module(_EXPORTS[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
