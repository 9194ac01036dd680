"""Runs on devices: TPU cores, GPUs, or virtual devices on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tfx_tpu_estimator.runs.engine import Engine, TpuModel
from tfx_tpu_estimator.runs.evaluate import evaluate
from tfx_tpu_estimator.runs.predict import predict
from tfx_tpu_estimator.runs.requests import EvaluateRequest, PredictRequest, TrainRequest
from tfx_tpu_estimator.runs.train import train


class TpuRunner:
    """Runs a model_fn as one program on several devices.

    Args:
      model: The model.
    """

    def __init__(self, model: TpuModel):
        self._engine = Engine(model)

    @property
    def num_replicas(self) -> int:
        """The replicas of all hosts."""
        return self._engine.topology.num_replicas

    def train(self, request: TrainRequest) -> None:
        """Trains, and saves checkpoints; see `TPUEstimator.train`."""
        train(self._engine, request)

    def evaluate(self, request: EvaluateRequest) -> dict[str, Any]:
        """Returns metrics by name; see `TPUEstimator.evaluate`."""
        return evaluate(self._engine, request)

    def predict(self, request: PredictRequest) -> Iterator[dict[str, np.ndarray]]:
        """Yields the predictions of each batch; see `TPUEstimator.predict`."""
        return predict(self._engine, request)
