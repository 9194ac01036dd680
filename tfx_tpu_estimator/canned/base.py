"""CannedEstimator: an Estimator of a canned model; and the same model for TPUEstimator."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from tfx_tpu_estimator.canned.binary_head import BinaryClassHead
from tfx_tpu_estimator.canned.head import Head
from tfx_tpu_estimator.canned.models import CannedModel, Spec
from tfx_tpu_estimator.canned.multi_class_head import MultiClassHead
from tfx_tpu_estimator.estimator import Estimator, EstimatorV2


class CannedEstimator(Estimator):
    """An Estimator of a canned model.

    Args:
      model: The model.
      model_dir: As for `Estimator`.
      config: As for `Estimator`.
      warm_start_from: As for `Estimator`.
    """

    def __init__(
        self,
        model: CannedModel,
        model_dir: str | os.PathLike | None = None,
        config: Any = None,
        warm_start_from: Any = None,
    ):
        def model_fn(features, labels, mode, config):
            return model.build(features, labels, mode, config, use_tpu=False)

        super().__init__(
            model_fn=model_fn,
            model_dir=model_dir,
            config=config,
            warm_start_from=warm_start_from,
        )
        self._model = model

    @property
    def tpu_model_fn(self) -> Callable:
        """The same model as a model_fn for `TPUEstimator`, on devices or not.

        Variables have the same names, so that checkpoints go from one to the other.
        """
        return make_tpu_model_fn(self._model)


class CannedEstimatorV2(CannedEstimator, EstimatorV2):
    """An Estimator of a canned model, without the names that TensorFlow 2 had dropped."""


def make_tpu_model_fn(model: CannedModel) -> Callable:
    """Returns a model_fn for `TPUEstimator`; params['use_tpu'] says where it is to run.

    Args:
      model: The model.
    """

    def model_fn(features, labels, mode, params, config) -> Spec:
        use_tpu = bool(params.get("use_tpu", False))
        return model.build(features, labels, mode, config, use_tpu=use_tpu)

    return model_fn


def make_classification_head(
    n_classes: int,
    weight_column: Any,
    label_vocabulary: Sequence[str] | None,
    loss_reduction: str,
    *,
    v1: bool,
) -> Head:
    """Returns the head of a classifier.

    Args:
      n_classes: 2 for one sigmoid logit, more for a softmax.
      weight_column: As for the heads.
      label_vocabulary: As for the heads.
      loss_reduction: As for the heads.
      v1: Whether metrics are computed as in the classes of version 1.

    Raises:
      ValueError: `n_classes` is not an int > 1.
    """
    arguments: dict[str, Any] = {
        "weight_column": weight_column,
        "label_vocabulary": label_vocabulary,
        "loss_reduction": loss_reduction,
    }
    if n_classes != 2 or isinstance(n_classes, bool):
        return MultiClassHead(n_classes, **arguments)
    head = BinaryClassHead(**arguments)
    return head.with_straight_pr_curve() if v1 else head
