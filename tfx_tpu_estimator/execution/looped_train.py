"""The training loop of the host engine when nobody looks on between steps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.execution.host_graph import HostGraph, session_address, session_config
from tfx_tpu_estimator.execution.host_train import NanLossError
from tfx_tpu_estimator.execution.loop_schedule import LoopSchedule
from tfx_tpu_estimator.execution.step_loop import LoopResult, StepLoop
from tfx_tpu_estimator.lowering.tf_internals_hooks import set_steps_per_run


def run_looped_training(
    built: HostGraph,
    loop: StepLoop,
    *,
    hooks: Sequence[tf.compat.v1.train.SessionRunHook],
    scaffold: tf.compat.v1.train.Scaffold,
    config: Any,
    checkpoint: str | None,
    make_schedule: Callable[[int], LoopSchedule],
    on_run: Callable[[LoopResult], None],
) -> int:
    """Runs training steps, several per run of the session, until the schedule or the input ends.

    Args:
      built: The graph, which must be the default one.
      loop: The loop in it.
      hooks: The runtime's own hooks; they are called once for each run.
      scaffold: How to initialise and restore.
      config: The RunConfig.
      checkpoint: Prefix of the checkpoint to restore; None to initialise.
      make_schedule: Returns the schedule, given the global step at the start.
      on_run: Called with what each run gave.

    Returns:
      The number of steps that ran.

    Raises:
      NanLossError: The loss of a step is NaN; the steps before it were given to `on_run`.
      ValueError: The input ended before the first batch.
      RuntimeError: An op of the model said "out of range", which would look like the end of input.
    """
    savers = [h for h in hooks if isinstance(h, tf.compat.v1.train.CheckpointSaverHook)]
    ran = 0
    with tf.compat.v1.train.SingularMonitoredSession(
        hooks=[*hooks, *built.hooks],
        scaffold=scaffold,
        master=session_address(config),
        config=session_config(config),
        checkpoint_filename_with_path=checkpoint,
    ) as session:
        schedule = _start(built, loop, session, make_schedule)
        while schedule.goes_on and not session.should_stop():
            for saver in savers:
                set_steps_per_run(saver, schedule.most)
            began = time.monotonic()
            result = loop.run(
                session,
                most=schedule.most,
                until=schedule.until,
                summary_at=schedule.summary_at,
            )
            seconds = time.monotonic() - began
            ran += len(result.steps)
            _report(loop, result, on_run)
            if result.input_ended:
                break
            schedule.ran(int(result.steps[-1]), steps=len(result.steps), seconds=seconds)
    return ran


def _start(
    built: HostGraph,
    loop: StepLoop,
    session: tf.compat.v1.train.SingularMonitoredSession,
    make_schedule: Callable[[int], LoopSchedule],
) -> LoopSchedule:
    raw = session.raw_session()
    raw.run(loop.initializer)
    return make_schedule(int(raw.run(built.global_step)))


def _report(loop: StepLoop, result: LoopResult, on_run: Callable[[LoopResult], None]) -> None:
    """Passes on what a run gave, and raises if it stopped at a NaN."""
    last = len(result.losses) - 1
    is_nan = last >= 0 and math.isnan(result.losses[last])
    good = result.first(last) if is_nan else result
    if len(good.steps):
        on_run(good)
    if is_nan:
        raise NanLossError(int(result.steps[last]), loop.loss_name)
