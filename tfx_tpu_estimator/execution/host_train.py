"""The training loop of the host engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.execution.host_graph import HostGraph, session_address, session_config
from tfx_tpu_estimator.inputs.input_fn import check_end_of_input


class NanLossError(tf.compat.v1.train.NanLossDuringTrainingError):
    """The loss is not a number; says at which step and in which tensor.

    Args:
      step: The global step after the update.
      tensor: Name of the loss tensor.
      replica: The replica whose loss it was, on a TPU.

    Example:
      >>> print(str(NanLossError(12, "loss:0")).split(". ")[0])
      NaN loss during training: `loss:0` is NaN at step 12
    """

    def __init__(self, step: int, tensor: str, replica: int | None = None):
        super().__init__(step, tensor, replica)
        self.step = step
        self.tensor = tensor
        self.replica = replica

    def __str__(self) -> str:
        where = "" if self.replica is None else f" on replica {self.replica}"
        return (
            f"NaN loss during training: `{self.tensor}` is NaN at step {self.step}{where}. Lower "
            "the learning rate, clip gradients, or look for log(0), division by zero and labels "
            "that are out of range."
        )


def run_training(
    built: HostGraph,
    *,
    hooks: Sequence[tf.compat.v1.train.SessionRunHook],
    scaffold: tf.compat.v1.train.Scaffold,
    config: Any,
    checkpoint: str | None,
    on_step: Callable[[int, float], None],
) -> int:
    """Runs training steps until a hook stops it or the input ends.

    Args:
      built: The graph, which must be the default one.
      hooks: All hooks to run; their `begin` is called in this order.
      scaffold: How to initialise and restore.
      config: The RunConfig.
      checkpoint: Prefix of the checkpoint to restore; None to initialise.
      on_step: Called after each step with the global step and the loss.

    Returns:
      The number of steps that ran.

    Raises:
      NanLossError: The loss of a step is NaN.
      ValueError: The input ended before the first batch.
      RuntimeError: An op of the model said "out of range", which would look like the end of input.
    """
    spec = built.spec
    train_op = spec.train_op.op if isinstance(spec.train_op, tf.Tensor) else spec.train_op
    with tf.control_dependencies([train_op]):
        step_after = tf.identity(built.global_step.read_value(), name="global_step_after")
    fetches = (step_after, spec.loss, train_op)
    ran = 0
    with tf.compat.v1.train.SingularMonitoredSession(
        hooks=[*hooks, *built.hooks],
        scaffold=scaffold,
        master=session_address(config),
        config=session_config(config),
        checkpoint_filename_with_path=checkpoint,
    ) as session:
        while not session.should_stop():
            try:
                step, loss, _ = session.run(fetches)
            except tf.errors.OutOfRangeError as error:
                check_end_of_input(error, built.batches_before + ran)
                break
            ran += 1
            if math.isnan(loss):
                raise NanLossError(int(step), spec.loss.name)
            on_step(int(step), float(loss))
    return ran
