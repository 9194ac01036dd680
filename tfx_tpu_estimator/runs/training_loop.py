"""Steps on the devices, and what the host does with what comes out of them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.execution.host_train import NanLossError
from tfx_tpu_estimator.execution.state import gather_outputs
from tfx_tpu_estimator.inputs.host_stream import InputLoop
from tfx_tpu_estimator.lowering.outputs import LOSS
from tfx_tpu_estimator.runs.host_function import HostCall
from tfx_tpu_estimator.runs.host_session import DeviceState
from tfx_tpu_estimator.runs.loop_length import LoopPlan
from tfx_tpu_estimator.runs.width_variants import AnyExecutable, WidthVariants


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepRunner:
    """Runs training steps on the devices.

    Attributes:
      executable: The program.
      plan: Is told how long programs took.
      host_call: The host_call, if there is one.
      host_call_every: Its cadence within a loop, in steps.
      on_step: Called for each step with the global step and the loss, mean over replicas.
    """

    executable: AnyExecutable | WidthVariants
    plan: LoopPlan
    host_call: HostCall | None
    host_call_every: int
    on_step: Callable[[int, float], None]

    def run(
        self, session: tf.compat.v1.Session, state: DeviceState, loop: InputLoop, before: int
    ) -> None:
        """Runs the steps that `loop` is the input of, and waits for them.

        Args:
          session: For the host_call.
          state: Is brought forward.
          loop: The input, on the devices.
          before: Steps of the same device loop that were run before.

        Raises:
          NanLossError: A replica's loss was NaN; says at which step and on which replica.
        """
        started, first = time.monotonic(), state.step
        state.variables, outputs = self.executable.run(state.variables, first, loop.batches)
        arrays = gather_outputs(outputs)
        losses = arrays[LOSS].astype(np.float64)
        state.step = first + loop.steps
        self.plan.finished_program(loop.steps, time.monotonic() - started)
        for i, loss in enumerate(losses):
            if np.isnan(loss).any():
                raise NanLossError(first + i + 1, LOSS, int(np.argmax(np.isnan(loss))))
            if self.host_call is not None and (before + i) % self.host_call_every == 0:
                self.host_call.run(session, {name: value[i] for name, value in arrays.items()})
            self.on_step(first + i + 1, float(np.mean(loss)))
