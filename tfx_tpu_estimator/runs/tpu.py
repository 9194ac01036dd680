"""Runs on devices: TPU cores, GPUs, or virtual devices on the CPU."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np

from tfx_tpu_estimator.checkpoints.layout import read_global_step
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

    @property
    def on_devices(self) -> bool:
        """Always."""
        return True

    @property
    def is_chief(self) -> bool:
        """Whether this is process 0; waits for the others where there are any."""
        return self._engine.group.is_chief

    def train(self, request: TrainRequest) -> None:
        """Trains, and saves checkpoints; see `Estimator.train`."""
        group = self._engine.group
        with group.running("train"):
            _validate_same_start(self._engine, request.start, request.target)
            train(self._engine, request)

    def evaluate(self, request: EvaluateRequest) -> dict[str, Any]:
        """Returns metrics by name; see `Estimator.evaluate`."""
        group = self._engine.group
        with group.running("evaluate"):
            start = _read_start(request.checkpoint)
            _validate_same_start(self._engine, start, request.steps)
            results = evaluate(self._engine, request)
            # Nobody is taken for gone while the chief has still something to do.
            group.minimum(0)
            return results

    def predict(self, request: PredictRequest) -> Iterator[dict[str, np.ndarray]]:
        """Yields the predictions of each batch; see `Estimator.predict`."""
        group = self._engine.group
        if group.count == 1:
            yield from predict(self._engine, request)
            return
        with contextlib.closing(self._predict(request)) as batches:
            while True:
                # Between batches the caller has its turn, and needs no other process.
                with group.running("predict"):
                    batch = next(batches, None)
                if batch is None:
                    return
                yield batch

    def _predict(self, request: PredictRequest) -> Generator[dict[str, np.ndarray], None, None]:
        _validate_same_start(self._engine, _read_start(request.checkpoint), None)
        yield from predict(self._engine, request)


def _read_start(checkpoint: str | None) -> int:
    return 0 if checkpoint is None else read_global_step(checkpoint)


def _validate_same_start(engine: Engine, start: int, end: int | None) -> None:
    """Refuses processes that would do different things, and wait for one another for ever."""
    if engine.group.count == 1 or not engine.devices:  # Devices are chosen before any exchange.
        return
    rows = engine.group.gather(np.array([start, -1 if end is None else end], np.int64))
    if (rows != rows[0]).any():
        found = ", ".join(f"process {i}: {s} to {e}" for i, (s, e) in enumerate(rows.tolist()))
        raise ValueError(
            "The processes of a run must go on from the same checkpoint to the same step; got "
            f"{found}. `model_dir` must be one directory that all processes see, and `steps` and "
            "`max_steps` the same in all."
        )
