"""What a model_fn is asked for, and what it returns: ModeKeys, EstimatorSpec, TPUEstimatorSpec."""

from tfx_tpu_estimator.estimator_spec import EstimatorSpec, refuse_chief_hooks
from tfx_tpu_estimator.modes import ModeKeys
from tfx_tpu_estimator.tpu_spec import TPUEstimatorSpec

__all__ = ["EstimatorSpec", "ModeKeys", "TPUEstimatorSpec", "refuse_chief_hooks"]
