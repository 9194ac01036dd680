"""Runs on the host: the model_fn as a plain graph on TensorFlow's own kernels."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.checkpoints import saving
from tfx_tpu_estimator.checkpoints.fit import create_fit_hook
from tfx_tpu_estimator.checkpoints.warm_start import apply_warm_start
from tfx_tpu_estimator.execution.host_eval import run_evaluation
from tfx_tpu_estimator.execution.host_graph import (
    HostGraph,
    HostModel,
    build_host_graph,
    spec_hooks,
)
from tfx_tpu_estimator.execution.host_predict import run_prediction, select_predictions
from tfx_tpu_estimator.execution.host_train import run_training
from tfx_tpu_estimator.modes import ModeKeys
from tfx_tpu_estimator.runs.requests import EvaluateRequest, PredictRequest, TrainRequest
from tfx_tpu_estimator.summaries.event_writer import TrainingRecorder
from tfx_tpu_estimator.summaries.progress import Progress

_logger = logging.getLogger(__name__)


class HostRunner:
    """Runs a model_fn on TensorFlow's kernels.

    Args:
      model: The model.
      batch_sizes: Global batch size by mode, None where the user gave none.
    """

    def __init__(self, model: HostModel, batch_sizes: dict[str, int | None]):
        self._model = model
        self._batch_sizes = batch_sizes

    @property
    def num_replicas(self) -> int:
        """One: the whole batch is one step of one copy."""
        return 1

    def train(self, request: TrainRequest) -> None:
        """Trains, and saves checkpoints; see `TPUEstimator.train`."""
        batch_size = self._batch_sizes[ModeKeys.TRAIN]
        with build_host_graph(self._model, request.input_fn, ModeKeys.TRAIN, batch_size) as built:
            if request.warm_start is not None and request.checkpoint is None:
                apply_warm_start(request.warm_start)
            with Progress("train", request.target) as progress:
                self._run_training(built, request, progress)

    def evaluate(self, request: EvaluateRequest) -> dict[str, Any]:
        """Returns metrics by name; see `TPUEstimator.evaluate`."""
        batch_size = self._batch_sizes[ModeKeys.EVAL]
        with build_host_graph(self._model, request.input_fn, ModeKeys.EVAL, batch_size) as built:
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
        """Yields the predictions of each batch; see `TPUEstimator.predict`."""
        batch_size = self._batch_sizes[ModeKeys.PREDICT]
        with build_host_graph(self._model, request.input_fn, ModeKeys.PREDICT, batch_size) as built:
            predictions = select_predictions(built.spec.predictions, request.predict_keys)
        yield from run_prediction(
            built,
            predictions,
            hooks=request.hooks,
            config=self._model.config,
            checkpoint=request.checkpoint,
            last_hooks=[create_fit_hook(built.spec, request.checkpoint)],
        )

    def _run_training(self, built: HostGraph, request: TrainRequest, progress: Progress) -> None:
        config = self._model.config
        scaffold = saving.with_saver(built.scaffold, config)
        saving.recover_kept(scaffold, config.model_dir)
        recorder = TrainingRecorder(
            tf.compat.v1.summary.FileWriterCache.get(config.model_dir),
            self._batch_sizes[ModeKeys.TRAIN],
            config.log_step_count_steps,
        )

        def on_step(step: int, loss: float) -> None:
            recorder.record(step, loss, time.monotonic())
            progress.update(step, recorder.describe)

        try:
            run_training(
                built,
                hooks=self._list_hooks(built, request, scaffold),
                scaffold=scaffold,
                config=config,
                checkpoint=request.checkpoint,
                on_step=on_step,
            )
        finally:
            tf.compat.v1.summary.FileWriterCache.clear()
        _logger.info("Loss for final step: %s.", recorder.loss)

    def _list_hooks(
        self, built: HostGraph, request: TrainRequest, scaffold: tf.compat.v1.train.Scaffold
    ) -> list[tf.compat.v1.train.SessionRunHook]:
        config = self._model.config
        hooks = [*request.hooks, *spec_hooks(built.spec)]
        hooks += saving.create_saver_hooks(
            hooks, scaffold, config, config.model_dir, request.listeners
        )
        if request.target is not None:
            hooks.append(tf.compat.v1.train.StopAtStepHook(last_step=request.target))
        if config.save_summary_steps:
            hooks.append(
                tf.compat.v1.train.SummarySaverHook(
                    save_steps=config.save_summary_steps,
                    output_dir=config.model_dir,
                    scaffold=scaffold,
                )
            )
        if request.checkpoint is not None:
            hooks.append(create_fit_hook(built.spec, request.checkpoint, scaffold))
        return hooks
