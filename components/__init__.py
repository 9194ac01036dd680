"""TFX components that run TPUEstimator programs, check them for a TPU, and push them.

    from tfx_tpu_estimator.components import Evaluator, Pusher, Trainer, TPUEstimatorOptions

ImportExampleGen, Trainer, Evaluator and Pusher are drop-ins for the standard components of the same
names; TPUValidator takes the place of InfraValidator. TFX is loaded when one
of the components is first used, not when this package is imported.
"""

from __future__ import annotations

import importlib
from typing import Any

_EXPORTS = {
    "Evaluator": ".evaluator.component",
    "EvaluatorOptions": ".evaluator.options",
    "ImportExampleGen": ".example_gen.component",
    "Pusher": ".pusher.component",
    "PusherOptions": ".pusher.options",
    "TPUEstimatorOptions": ".options",
    "TPUValidator": ".tpu_validator.component",
    "TPUValidatorOptions": ".tpu_validator.options",
    "Trainer": ".trainer.component",
    "VertexDestination": ".pusher.vertex_options",
    "VertexPusher": ".pusher.vertex_component",
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
