"""Training on devices, from the input to the last checkpoint."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.checkpoints import saving
from tfx_tpu_estimator.checkpoints.fit import FitHook
from tfx_tpu_estimator.checkpoints.graph_files import export_meta_graph, write_graph
from tfx_tpu_estimator.checkpoints.layout import find_latest
from tfx_tpu_estimator.checkpoints.policies import create_save_policy
from tfx_tpu_estimator.checkpoints.saved_tensors import list_saved_tensors
from tfx_tpu_estimator.checkpoints.warm_start import apply_warm_start
from tfx_tpu_estimator.checkpoints.writer import CheckpointWriter
from tfx_tpu_estimator.inputs.deployment import DeployedInput
from tfx_tpu_estimator.inputs.position import InputPosition, encode_position, read_position
from tfx_tpu_estimator.modes import ModeKeys
from tfx_tpu_estimator.runs.device_hooks import prepare_hooks
from tfx_tpu_estimator.runs.engine import BuiltModel, Engine, InputSetting
from tfx_tpu_estimator.runs.host_function import make_host_call
from tfx_tpu_estimator.runs.host_session import DeviceState, HostMirror, open_session
from tfx_tpu_estimator.runs.lockstep import LockstepInput
from tfx_tpu_estimator.runs.loop_length import LoopPlan
from tfx_tpu_estimator.runs.position_saver import positions_saved
from tfx_tpu_estimator.runs.preemption import TerminationWatch, TrainingTerminated
from tfx_tpu_estimator.runs.requests import TrainRequest
from tfx_tpu_estimator.runs.saver_hook import DeviceSaverHook, MirrorHook
from tfx_tpu_estimator.runs.session_writes import SessionWrites
from tfx_tpu_estimator.runs.training_log import TrainingFacts, tell_training
from tfx_tpu_estimator.runs.training_loop import StepRunner
from tfx_tpu_estimator.summaries.event_writer import TrainingRecorder
from tfx_tpu_estimator.summaries.progress import Progress
from tfx_tpu_estimator.summaries.training_writer import (
    close_training_writers,
    open_training_writer,
)

_logger = logging.getLogger(__name__)


def train(engine: Engine, request: TrainRequest) -> None:
    """Trains on the engine's devices.

    Raises:
      ValueError: Batch sizes, input or model_fn cannot run on the devices; before anything is
        compiled.
      NanLossError: The loss became NaN.
      TrainingTerminated: SIGTERM came; the state is saved.
    """
    # 1. Checks, and the input of one replica.
    setting = engine.resolve_input(ModeKeys.TRAIN)
    deployed = _deploy(engine, setting, request)
    # 2. The program.
    built = engine.build(setting, deployed.structure.features, deployed.structure.labels)
    deployed = built.prepare(deployed)
    with built.traced.host_scope("training"):
        apply_warm_start(request.warm_start, request.checkpoint)
    _tell(engine, setting, built)
    # 3. Steps.
    with TerminationWatch() as watch, _show(engine, request) as progress:
        _TrainingRun(engine, setting, built, deployed, request, progress, watch).run()


def _tell(engine: Engine, setting: InputSetting, built: BuiltModel) -> None:
    tell_training(
        TrainingFacts(
            model_dir=str(engine.model.config.model_dir),
            seed=engine.seed,
            replicas=engine.topology.num_replicas,
            processes=engine.group.count,
            batch_size=setting.sizes.total,
            program=built.executable.program.digest,
        )
    )


def _show(engine: Engine, request: TrainRequest) -> Progress:
    return Progress("train", request.target, mode=None if engine.group.is_chief else "off")


def _deploy(engine: Engine, setting: InputSetting, request: TrainRequest) -> DeployedInput:
    position = None if request.checkpoint is None else read_position(request.checkpoint)
    if position is not None:
        engine.resume_seed(position.seed)
    return engine.deploy(setting, request.input_fn, position)


class _TrainingRun:
    """The parts of one training, and how they work together."""

    def __init__(
        self,
        engine: Engine,
        setting: InputSetting,
        built: BuiltModel,
        deployed: DeployedInput,
        request: TrainRequest,
        progress: Progress,
        watch: TerminationWatch,
    ):
        self._config = engine.model.config
        self._group = engine.group
        self._master = engine.session_master(setting.mode)
        self._watch = watch
        self._built = built
        self._deployed = deployed
        self._request = request
        self._position: InputPosition | None = deployed.position
        self._state = DeviceState(variables={}, step=request.start)
        total = None if request.target is None else request.target - request.start
        length = self._config.tpu_config.loop_length
        # Loops of a number of steps are equally long in all processes as it is.
        choices = self._group.make_choices() if length.seconds else None
        self._plan = LoopPlan(length, total, choices)
        traced = built.traced
        self._mirror = HostMirror(traced, built.executable.program)
        self._writes = SessionWrites(self._mirror, self._state, built.executable, self._group)
        # Of several processes only the chief has hooks, a host_call, checkpoints and events.
        self._host_call = None
        if self._group.is_chief:
            self._host_call = make_host_call(traced, broadcast=setting.broadcast)
        self._recorder = self._make_recorder(setting)
        self._runner = StepRunner(
            executable=built.executable,
            plan=self._plan,
            host_call=self._host_call,
            host_call_every=self._config.tpu_config.experimental_host_call_every_n_steps,
            on_step=self._on_step,
        )
        self._progress = progress
        self._terminated = False

    def run(self) -> None:
        """Opens the session, runs loops until the end, and saves."""
        with self._built.traced.graph.as_default():
            scaffold = saving.with_saver(
                self._built.traced.scaffold or tf.compat.v1.train.Scaffold(), self._config
            )
        saver = self._make_saver(scaffold)
        try:
            with (
                positions_saved(self._users_hooks, lambda _: self._position),
                open_session(
                    self._built.traced,
                    hooks=self._list_hooks(saver, scaffold),
                    scaffold=scaffold,
                    config=self._config,
                    checkpoint=self._request.checkpoint,
                    master=self._master,
                ) as session,
            ):
                self._run_loops(session, saver)
        finally:
            if saver is not None:
                saver.close()
            close_training_writers()
        if self._recorder is not None:
            _logger.info("Loss for final step: %s.", self._recorder.loss)
        # What the chief has saved is there for all when this returns.
        self._group.minimum(0)
        if self._watch.requested or self._terminated:
            saved = None if saver is None else saver.latest_checkpoint
            if not self._group.is_chief:
                saved = find_latest(str(self._config.model_dir))
            raise TrainingTerminated(self._state.step, saved)

    def _run_loops(self, session: Any, saver: DeviceSaverHook | None) -> None:
        raw = session.raw_session()
        executable = self._built.executable
        self._state.variables = executable.place_state(self._read_initial(raw))
        if self._request.listeners:
            self._writes.watch(raw)
        stopped = saver is not None and saver.start(raw)
        done = loop_start = 0
        with (
            LockstepInput(
                self._group,
                self._deployed,
                next_loop=self._plan.next_program,
                place=self._built.place,
            ) as loops,
            contextlib.closing(self._plan),
        ):
            if stopped or self._watch.requested:
                loops.stop(terminating=self._watch.requested)
            for loop in loops:
                self._runner.run(raw, self._state, loop, before=done - loop_start)
                done += loop.steps
                self._position = loop.position
                self._mirror.set_step(raw, self._state.step)
                # Loop ends are for hooks, and planned where the input is read.
                if not self._plan.is_loop_end(done) and self._group.is_chief:
                    continue
                loop_start = done
                session.run(self._mirror.read_step)
                self._writes.bring(raw)
                if session.should_stop():
                    loops.stop()
                elif self._watch.requested and self._state.step != self._request.target:
                    loops.stop(terminating=True)
        self._terminated = loops.terminating
        if self._terminated or not done:
            return
        if done != loop_start:
            # The input ended within a loop: hooks have not seen its last steps.
            session.run(self._mirror.read_step)
        # What follows is the last save of a training that ended as it should: another call of
        # train starts its input from the beginning.
        self._position = None

    def _read_initial(self, session: tf.compat.v1.Session) -> dict[str, np.ndarray]:
        """The values to start from: the checkpoint's, or else what the chief has initialised."""
        values = self._mirror.read_initial(session)
        if self._request.checkpoint is None:
            values = dict(zip(values, self._group.broadcast(list(values.values())), strict=True))
        return values

    @property
    def _users_hooks(self) -> list[tf.compat.v1.train.SessionRunHook]:
        if not self._group.is_chief:
            return []
        return [*self._request.hooks, *(self._built.traced.spec.training_hooks or ())]

    def _list_hooks(
        self, saver: DeviceSaverHook | None, scaffold: tf.compat.v1.train.Scaffold
    ) -> list[Any]:
        users = [*self._users_hooks, *self._list_summary_hooks(scaffold)]
        hooks: list[Any] = []
        if users:
            hooks.append(MirrorHook(self._mirror, self._state, self._writes))
        if saver is not None:
            # Before the user's: they see the evaluation of a checkpoint that was just saved.
            hooks.append(saver)
        hooks += prepare_hooks(users, self._built.traced, self._read_loss)
        if self._host_call is not None:
            hooks.append(self._host_call.hook)
        if self._request.checkpoint is not None:
            hooks.append(
                FitHook(self._request.checkpoint, scaffold, "the model_fn in mode 'train'")
            )
        return hooks

    def _list_summary_hooks(self, scaffold: tf.compat.v1.train.Scaffold) -> list[Any]:
        """Summaries that a scaffold_fn made of variables; those of device tensors are dropped."""
        steps = self._config.save_summary_steps
        graph = self._built.traced.graph
        made = graph.get_collection(tf.compat.v1.GraphKeys.SUMMARIES)
        if not self._group.is_chief or not steps or not (made or scaffold.summary_op is not None):
            return []
        directory = str(self._config.model_dir)
        return [
            tf.compat.v1.train.SummarySaverHook(
                save_steps=steps, output_dir=directory, scaffold=scaffold
            )
        ]

    def _read_loss(self) -> float | None:
        return None if self._recorder is None else self._recorder.loss

    def _make_saver(self, scaffold: tf.compat.v1.train.Scaffold) -> DeviceSaverHook | None:
        config, request = self._config, self._request
        users = self._users_hooks
        if not self._group.is_chief or not saving.saves_itself(users, config, request.listeners):
            return None
        graph = self._built.traced.graph

        def make_writer() -> CheckpointWriter:
            meta_graph = None
            if config.checkpoint_save_graph_def:
                write_graph(str(config.model_dir), graph)
                meta_graph = export_meta_graph(scaffold.saver, graph)
            return CheckpointWriter(
                str(config.model_dir),
                list_saved_tensors(scaffold.saver, graph),
                max_to_keep=config.keep_checkpoint_max,
                keep_every_n_hours=config.keep_checkpoint_every_n_hours,
                meta_graph=meta_graph,
            )

        return DeviceSaverHook(
            create_save_policy(config),
            make_writer,
            request.listeners,
            self._mirror,
            self._state,
            self._writes,
            lambda: None if self._position is None else encode_position(self._position),
        )

    def _make_recorder(self, setting: InputSetting) -> TrainingRecorder | None:
        if not self._group.is_chief:
            return None
        with self._built.traced.graph.as_default():
            writer = open_training_writer(str(self._config.model_dir))
        return TrainingRecorder(writer, setting.sizes.total, self._config.log_step_count_steps)

    def _on_step(self, step: int, loss: float) -> None:
        if self._recorder is None:
            return
        self._recorder.record(step, loss, time.time())
        self._progress.update(step, self._recorder.describe)
