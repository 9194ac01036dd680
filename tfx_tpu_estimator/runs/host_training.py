"""One training on the host: its hooks, its records, and whether steps run in a loop."""

from __future__ import annotations

import functools
import logging
import time
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.checkpoints import saving
from tfx_tpu_estimator.checkpoints.fit import create_fit_hook
from tfx_tpu_estimator.execution.host_graph import HostGraph, join_hooks
from tfx_tpu_estimator.execution.host_train import run_training
from tfx_tpu_estimator.execution.loop_schedule import LoopSchedule
from tfx_tpu_estimator.execution.looped_train import run_looped_training
from tfx_tpu_estimator.execution.step_loop import LoopResult, StepLoop
from tfx_tpu_estimator.inputs.position import InputPosition
from tfx_tpu_estimator.lowering.step_graph import NotLoopableError
from tfx_tpu_estimator.lowering.tf_internals_hooks import get_step_read
from tfx_tpu_estimator.runs.position_saver import HostInputHook, positions_saved
from tfx_tpu_estimator.runs.preemption import (
    StopOnTermination,
    TerminationWatch,
    TrainingTerminated,
)
from tfx_tpu_estimator.runs.requests import TrainRequest
from tfx_tpu_estimator.runs.stalled_step import StalledStepWatch
from tfx_tpu_estimator.summaries.event_writer import TrainingRecorder
from tfx_tpu_estimator.summaries.progress import Progress
from tfx_tpu_estimator.summaries.training_writer import (
    close_training_writers,
    open_training_writer,
)

_logger = logging.getLogger(__name__)


def run_host_training(
    built: HostGraph,
    config: Any,
    batch_size: int | None,
    request: TrainRequest,
    progress: Progress,
    start: InputPosition,
) -> None:
    """Trains the model of a graph, and saves checkpoints.

    Steps run in a loop inside the graph, unless a hook wants to be called at every step.

    Args:
      built: The graph, which must be the default one and can still grow.
      config: The RunConfig.
      batch_size: The global batch size, or None where the user gave none.
      request: What to do.
      progress: Is told the global step.
      start: The position of the input that training starts at.

    Raises:
      NanLossError: The loss became NaN.
      TrainingTerminated: SIGTERM came; the state is saved.
    """
    training = _HostTraining(built, config, batch_size, request, progress, start)
    try:
        training.run()
    finally:
        close_training_writers()


class _HostTraining:
    """The parts of one training."""

    def __init__(
        self,
        built: HostGraph,
        config: Any,
        batch_size: int | None,
        request: TrainRequest,
        progress: Progress,
        start: InputPosition,
    ):
        self._built = built
        self._config = config
        self._request = request
        self._progress = progress
        self._scaffold = saving.with_saver(built.scaffold, config)
        saving.recover_kept(self._scaffold, config.model_dir)
        self._writer = open_training_writer(config.model_dir)
        self._recorder = TrainingRecorder(self._writer, batch_size, config.log_step_count_steps)
        self._users_hooks = join_hooks(request.hooks, built.spec)
        self._started = False
        self._step = request.start
        self._stalled = StalledStepWatch(request.start)
        self._watch = TerminationWatch()
        self._input = HostInputHook(built, start, self._is_interrupted)

    def run(self) -> None:
        loop = None if self._users_hooks else self._build_loop()
        with self._watch, positions_saved([*self._users_hooks, *self._savers], self._input.read):
            if loop is None:
                self._run_steps()
            else:
                self._run_loop(loop)
        _logger.info("Loss for final step: %s.", self._recorder.loss)
        if self._watch.requested:
            saves = any(isinstance(h, tf.compat.v1.train.CheckpointSaverHook) for h in self._savers)
            latest = tf.train.latest_checkpoint(self._config.model_dir) if saves else None
            raise TrainingTerminated(self._step, latest)

    def _is_interrupted(self) -> bool:
        return self._watch.requested and self._step != self._request.target

    def _build_loop(self) -> StepLoop | None:
        summary = self._merge_summaries() if self._config.save_summary_steps else None
        before = [get_step_read(self._built.graph).op]
        try:
            return StepLoop(self._built, summary, before)
        except (NotLoopableError, ValueError, TypeError, tf.errors.OpError) as error:
            _logger.debug("Steps run one by one: %s", error)
            return None

    def _merge_summaries(self) -> Any:
        """Returns what the session would use, so that nothing is merged twice."""
        if self._scaffold.summary_op is not None:
            return self._scaffold.summary_op
        return tf.compat.v1.train.Scaffold.get_or_default(
            "summary_op",
            tf.compat.v1.GraphKeys.SUMMARY_OP,
            tf.compat.v1.summary.merge_all,
        )

    def _run_loop(self, loop: StepLoop) -> None:
        config, request = self._config, self._request

        def make_schedule(start: int) -> LoopSchedule:
            return LoopSchedule(
                start,
                request.target,
                checkpoint_steps=config.save_checkpoints_steps or None,
                summary_steps=(config.save_summary_steps or None) if loop.has_summary else None,
            )

        run_looped_training(
            self._built,
            loop,
            hooks=[
                self._input,
                *self._savers,
                StopOnTermination(self._watch),
                *self._list_fit_hooks(),
            ],
            scaffold=self._scaffold,
            config=config,
            checkpoint=request.checkpoint,
            make_schedule=make_schedule,
            on_run=self._on_run,
        )

    def _on_run(self, result: LoopResult) -> None:
        steps = result.steps.tolist()
        if self._config.save_summary_steps and not self._started:
            self._started = True
            start = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
            self._writer.add_session_log(start, steps[-1])
        if result.summary:
            self._writer.add_summary(result.summary, steps[-1])
        self._recorder.record_run(steps, result.losses.tolist(), result.times.tolist())
        self._step = steps[-1]
        self._stalled.see(steps[-1], len(steps))
        self._progress.update(steps[-1], self._recorder.describe)

    def _run_steps(self) -> None:
        run_training(
            self._built,
            hooks=self._list_hooks(),
            scaffold=self._scaffold,
            config=self._config,
            checkpoint=self._request.checkpoint,
            on_step=self._on_step,
        )

    def _on_step(self, step: int, loss: float) -> None:
        self._step = step
        self._stalled.see(step, 1)
        self._recorder.record(step, loss, time.time())
        self._progress.update(step, self._recorder.describe)

    def _list_hooks(self) -> list[tf.compat.v1.train.SessionRunHook]:
        config, request = self._config, self._request
        # Savers first, as ever: a hook sees the evaluation of a checkpoint that was just saved.
        hooks = [self._input, *self._savers, *self._users_hooks, StopOnTermination(self._watch)]
        if request.target is not None:
            hooks.append(tf.compat.v1.train.StopAtStepHook(last_step=request.target))
        if config.save_summary_steps:
            hooks.append(
                tf.compat.v1.train.SummarySaverHook(
                    save_steps=config.save_summary_steps,
                    output_dir=config.model_dir,
                    scaffold=self._scaffold,
                )
            )
        return [*hooks, *self._list_fit_hooks()]

    @functools.cached_property
    def _savers(self) -> list[tf.compat.v1.train.SessionRunHook]:
        config = self._config
        return saving.create_saver_hooks(
            self._users_hooks, self._scaffold, config, config.model_dir, self._request.listeners
        )

    def _list_fit_hooks(self) -> list[tf.compat.v1.train.SessionRunHook]:
        checkpoint = self._request.checkpoint
        if checkpoint is None:
            return []
        return [create_fit_hook(self._built.spec, checkpoint, self._scaffold)]
