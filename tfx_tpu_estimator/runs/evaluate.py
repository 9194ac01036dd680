"""Evaluation on devices: every example counts once, metrics are computed on the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.checkpoints.fit import FitHook
from tfx_tpu_estimator.checkpoints.warm_start import apply_warm_start
from tfx_tpu_estimator.execution.state import gather_outputs
from tfx_tpu_estimator.inputs.deployment import DeployedInput
from tfx_tpu_estimator.inputs.host_stream import InputLoop, plan_loops
from tfx_tpu_estimator.modes import ModeKeys
from tfx_tpu_estimator.runs.device_hooks import prepare_hooks
from tfx_tpu_estimator.runs.engine import BuiltModel, Engine, InputSetting
from tfx_tpu_estimator.runs.host_function import make_host_call
from tfx_tpu_estimator.runs.host_session import HostMirror, open_session
from tfx_tpu_estimator.runs.lockstep import LockstepInput
from tfx_tpu_estimator.runs.metrics import Metrics
from tfx_tpu_estimator.runs.remainder import describe_remainder, take_real_rows
from tfx_tpu_estimator.runs.requests import EvaluateRequest


def evaluate(engine: Engine, request: EvaluateRequest) -> dict[str, Any]:
    """Evaluates on the engine's devices.

    Returns:
      Metrics by name, with `loss` and `global_step`.

    Raises:
      ValueError: Batch sizes, input or model_fn cannot run on the devices, or the checkpoint does
        not fit.
    """
    # 1. Checks, and the input of one replica.
    setting = engine.resolve_input(ModeKeys.EVAL)
    deployed = engine.deploy(setting, request.input_fn)
    # 2. The program, and the metrics on the host.
    built = engine.build(setting, deployed.structure.features, deployed.structure.labels)
    deployed = built.prepare(deployed)
    with built.traced.host_scope("evaluation"):
        apply_warm_start(request.warm_start, request.checkpoint)
    return _EvaluationRun(engine, setting, built, deployed, request).run()


class _EvaluationRun:
    """The parts of one evaluation."""

    def __init__(
        self,
        engine: Engine,
        setting: InputSetting,
        built: BuiltModel,
        deployed: DeployedInput,
        request: EvaluateRequest,
    ):
        self._engine = engine
        self._setting = setting
        self._built = built
        self._deployed = deployed
        self._request = request
        self._mirror = HostMirror(built.traced, built.executable.program)
        self._metrics = Metrics(built.traced, broadcast=setting.broadcast)
        self._group = engine.group
        self._host_call = None
        if self._group.is_chief:
            self._host_call = make_host_call(built.traced, broadcast=setting.broadcast)

    def run(self) -> dict[str, Any]:
        """Restores the checkpoint and goes through the input."""
        traced, config = self._built.traced, self._engine.model.config
        # Of several processes only the chief has hooks; all compute the same metrics.
        hooks: list[tf.compat.v1.train.SessionRunHook] = []
        if self._group.is_chief:
            users = [*self._request.hooks, *(traced.spec.evaluation_hooks or ())]
            hooks = prepare_hooks(users, traced, lambda: self._metrics.latest_loss)
        if self._host_call is not None:
            hooks.append(self._host_call.hook)
        fit = FitHook(self._request.checkpoint, traced.scaffold, "the model_fn in mode 'eval'")
        with open_session(
            traced,
            hooks=[*hooks, fit],
            scaffold=traced.scaffold or tf.compat.v1.train.Scaffold(),
            config=config,
            checkpoint=self._request.checkpoint,
            master=self._engine.session_master(self._setting.mode),
        ) as session:
            return self._run_steps(session)

    def _run_steps(self, session: Any) -> dict[str, Any]:
        raw = session.raw_session()
        step = int(raw.run(self._mirror.read_step))
        values = self._mirror.read_initial(raw)
        state = self._built.executable.place_state(values)
        done = 0
        with LockstepInput(
            self._group, self._deployed, next_loop=plan_loops(1, self._request.steps)
        ) as loops:
            for loop in loops:
                whole = loop.valid is None or loop.valid.all()
                if self._group.minimum(int(whole)) == (1,):
                    outputs = _run(self._built, state, step, loop.batches)
                else:
                    outputs = self._run_remainder(values, step, loop)
                self._metrics.update(session, self._mirror.read_step, outputs)
                if self._host_call is not None:
                    self._host_call.run(raw, outputs)
                done += 1
                self._request.on_step(done)
                if session.should_stop():
                    loops.stop()
        return self._metrics.results(raw, step)

    def _run_remainder(
        self, values: Mapping[str, np.ndarray], step: int, loop: InputLoop
    ) -> dict[str, np.ndarray]:
        """Runs the last, partial batch on one device, in a program of just its size.

        Masking could keep padding out of the metrics, but not out of the loss, which the model_fn
        has reduced before anyone could mask it.
        """
        # Only training has no mask.
        arrays, valid = loop.batches, np.asarray(loop.valid)
        if not self._setting.broadcast:
            arrays = [self._gather_replicas(array) for array in arrays]
            valid = self._gather_replicas(valid)
        rows = int(valid.sum())
        structure = describe_remainder(self._deployed, rows)
        built = self._engine.build(
            self._setting,
            structure.features,
            structure.labels,
            num_replicas=1,
            batch_size=rows,
        )
        batches = take_real_rows(self._deployed, arrays, valid)
        return _run(built, built.executable.place_state(values), step, batches)

    def _gather_replicas(self, array: np.ndarray) -> np.ndarray:
        """Returns [1, replicas of all hosts, ...] for [1, replicas of this host, ...]."""
        return np.concatenate(list(self._group.gather(array)), axis=1)


def _run(
    built: BuiltModel, state: Mapping[str, Any], step: int, arrays: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
    """Runs one step; returns outputs [replicas, ...] by name."""
    placed = built.place(arrays)
    _, outputs = built.executable.run(state, step, placed)
    return {name: value[0] for name, value in gather_outputs(outputs).items()}
