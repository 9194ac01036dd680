"""TFX components that run TPUEstimator programs, check them for a TPU, and push them.

    from tfx_tpu_estimator.components import Evaluator, Pusher, Trainer, TPUEstimatorOptions

ImportExampleGen, ImportSchemaGen, Trainer, Evaluator and Pusher are drop-ins for the standard
components of the same names; TPUValidator takes the place of InfraValidator. TFX is loaded when one
of the components is first used, not when this package is imported.
"""

from __future__ import annotations

from tfx_tpu_estimator.lazy_exports import lazy_exports

_EXPORTS = {
    "Evaluator": ".evaluator.component",
    "EvaluatorOptions": ".evaluator.options",
    "ImportExampleGen": ".example_gen.component",
    "ImportSchemaGen": ".schema_gen.component",
    "MultiHostOptions": ".host_options",
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
__getattr__, __dir__ = lazy_exports(__name__, _EXPORTS)
