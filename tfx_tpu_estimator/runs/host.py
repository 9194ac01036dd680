"""Runs on the host: the model_fn as a plain graph on TensorFlow's own kernels."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from tfx_tpu_estimator.checkpoints.fit import create_fit_hook
from tfx_tpu_estimator.checkpoints.warm_start import apply_warm_start
from tfx_tpu_estimator.config.seeds import choose_seed
from tfx_tpu_estimator.execution.host_eval import run_evaluation
from tfx_tpu_estimator.execution.host_graph import HostModel, TrainingStart, build_host_graph
from tfx_tpu_estimator.execution.host_predict import run_prediction, select_predictions
from tfx_tpu_estimator.inputs.position import (
    InputPosition,
    read_position,
    resume_position,
    start_host_position,
)
from tfx_tpu_estimator.modes import ModeKeys
from tfx_tpu_estimator.runs.host_training import run_host_training
from tfx_tpu_estimator.runs.requests import EvaluateRequest, PredictRequest, TrainRequest
from tfx_tpu_estimator.runs.training_log import TrainingFacts, tell_training
from tfx_tpu_estimator.summaries.progress import Progress


class HostRunner:
    """Runs a model_fn on TensorFlow's kernels.

    Args:
      model: The model.
      batch_sizes: Global batch size by mode, where the user gave one.
    """

    def __init__(self, model: HostModel, batch_sizes: Mapping[str, int | None]):
        self._model = model
        self._batch_sizes = batch_sizes

    @property
    def num_replicas(self) -> int:
        """One: the whole batch is one step of one copy."""
        return 1

    @property
    def on_devices(self) -> bool:
        """Never: TensorFlow's own kernels run on the host."""
        return False

    @property
    def is_chief(self) -> bool:
        """Always: runs on the host have one process."""
        return True

    def train(self, request: TrainRequest) -> None:
        """Trains, and saves checkpoints; see `Estimator.train`."""
        batch_size = self._batch_sizes.get(ModeKeys.TRAIN)
        start = self._find_start(request, batch_size)
        seed = start.seed or 0
        model_start = TrainingStart(seed=seed, batches=start.batches[0])
        tell_training(
            TrainingFacts(
                model_dir=str(self._model.config.model_dir),
                seed=seed,
                replicas=self.num_replicas,
                batch_size=batch_size,
            )
        )
        with build_host_graph(
            self._model, request.input_fn, ModeKeys.TRAIN, batch_size, model_start
        ) as built:
            apply_warm_start(request.warm_start, request.checkpoint)
            with Progress("train", request.target) as progress:
                run_host_training(built, self._model.config, batch_size, request, progress, start)

    def _find_start(self, request: TrainRequest, batch_size: int | None) -> InputPosition:
        """Returns where the input starts or goes on, with the run's seed."""
        saved = None if request.checkpoint is None else read_position(request.checkpoint)
        seed = self._model.config.tf_random_seed
        if seed is None and saved is not None:
            seed = saved.seed
        start = resume_position(saved, start_host_position(batch_size))
        return dataclasses.replace(start, seed=choose_seed(seed))

    def evaluate(self, request: EvaluateRequest) -> dict[str, Any]:
        """Returns metrics by name; see `Estimator.evaluate`."""
        batch_size = self._batch_sizes.get(ModeKeys.EVAL)
        with build_host_graph(self._model, request.input_fn, ModeKeys.EVAL, batch_size) as built:
            apply_warm_start(request.warm_start, request.checkpoint)
            return run_evaluation(
                built,
                hooks=request.hooks,
                config=self._model.config,
                checkpoint=request.checkpoint,
                last_hooks=[create_fit_hook(built.spec, request.checkpoint)],
                steps=request.steps,
                on_step=request.on_step,
            )

    def predict(self, request: PredictRequest) -> Iterator[Any]:
        """Yields the predictions of each batch; see `Estimator.predict`."""
        batch_size = self._batch_sizes.get(ModeKeys.PREDICT)
        with build_host_graph(self._model, request.input_fn, ModeKeys.PREDICT, batch_size) as built:
            apply_warm_start(request.warm_start, request.checkpoint)
            predictions = select_predictions(built.spec.predictions, request.predict_keys)
        yield from run_prediction(
            built,
            predictions,
            hooks=request.hooks,
            config=self._model.config,
            checkpoint=request.checkpoint,
            last_hooks=[create_fit_hook(built.spec, request.checkpoint)],
        )
