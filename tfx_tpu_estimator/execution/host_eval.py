"""The evaluation loop of the host engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.execution.host_graph import (
    HostGraph,
    join_hooks,
    metric_key_error,
    session_address,
    session_config,
)
from tfx_tpu_estimator.inputs.input_fn import check_end_of_input
from tfx_tpu_estimator.specs import EstimatorSpec

LOSS = "loss"
GLOBAL_STEP = tf.compat.v1.GraphKeys.GLOBAL_STEP


def add_metrics(spec: EstimatorSpec) -> tuple[dict[str, tf.Tensor], tf.Operation]:
    """Adds the mean loss to the metrics of `spec`.

    Returns:
      The value of each metric by name, and one op that updates them all with a batch.

    Raises:
      ValueError: A metric is called `loss` or `global_step`.
    """
    metrics = dict(spec.eval_metric_ops or {})
    for name in (LOSS, GLOBAL_STEP):
        if name in metrics:
            raise metric_key_error(name)
    metrics[LOSS] = tf.compat.v1.metrics.mean(spec.loss, name="mean_loss")
    values = {name: value for name, (value, _) in metrics.items()}
    return values, tf.group(*(update for _, update in metrics.values()))


def run_evaluation(
    built: HostGraph,
    *,
    hooks: Sequence[tf.compat.v1.train.SessionRunHook],
    config: Any,
    checkpoint: str | None,
    last_hooks: Sequence[tf.compat.v1.train.SessionRunHook] = (),
    steps: int | None,
    on_step: Callable[[int], None],
) -> dict[str, Any]:
    """Evaluates the model of `built` over its input.

    Args:
      built: The graph, which must be the default one.
      hooks: The caller's hooks; those of the spec are added.
      config: The RunConfig.
      checkpoint: Prefix of the checkpoint to restore; None to initialise.
      last_hooks: Hooks whose `begin` is called after that of all others, just before the restore.
      steps: How many batches; None for all.
      on_step: Called with the number of batches done.

    Returns:
      Metric values, with `loss`, the mean over batches, and `global_step`.

    Raises:
      ValueError: There was no batch at all.
      RuntimeError: An op of the model said "out of range".
    """
    values, update = add_metrics(built.spec)
    values[GLOBAL_STEP] = built.global_step.read_value()
    done = 0
    with tf.compat.v1.train.SingularMonitoredSession(
        hooks=[*join_hooks(hooks, built.spec), *built.hooks, *last_hooks],
        scaffold=built.scaffold,
        master=session_address(config, evaluation=True),
        config=session_config(config),
        checkpoint_filename_with_path=checkpoint,
    ) as session:
        while not session.should_stop() and (steps is None or done < steps):
            try:
                session.run(update)
            except tf.errors.OutOfRangeError as error:
                check_end_of_input(error, done)
                break
            done += 1
            on_step(done)
        # Hooks have no part in reading the results.
        return session.raw_session().run(values)
