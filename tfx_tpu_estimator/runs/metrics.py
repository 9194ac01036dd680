"""The metrics of an evaluation on devices, computed on the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.execution.host_eval import GLOBAL_STEP, LOSS
from tfx_tpu_estimator.execution.host_graph import metric_key_error
from tfx_tpu_estimator.lowering.outputs import LOSS as LOSS_OUTPUT
from tfx_tpu_estimator.lowering.trace import TracedModel
from tfx_tpu_estimator.runs.host_function import FedFunction, join_replicas
from tfx_tpu_estimator.spec_validation import validate_eval_metric_ops


class Metrics:
    """The metrics of an evaluation: a metric_fn on the host, and the mean loss.

    Args:
      traced: The model; its graph must not be finalised yet.
      broadcast: Every replica has the same input: its examples count once.

    Raises:
      ValueError: A metric is called `loss` or `global_step`, or is Keras's and was never updated.
      TypeError: metric_fn does not return a dict of metrics.
    """

    def __init__(self, traced: TracedModel, *, broadcast: bool):
        self._broadcast = broadcast
        self._losses: list[float] = []
        self._function: FedFunction | None = None
        if traced.eval_metrics is not None:
            self._function = FedFunction(traced, traced.eval_metrics, "metric_fn", _split_metrics)

    @property
    def latest_loss(self) -> float | None:
        """The loss of the latest step; None before the first."""
        return self._losses[-1] if self._losses else None

    def update(self, session: Any, otherwise: tf.Tensor, outputs: Mapping[str, np.ndarray]) -> None:
        """Takes in one step.

        Args:
          session: A monitored session on the traced graph, whose hooks run with the step.
          otherwise: What is run for the hooks' sake where there is no metric_fn.
          outputs: [replicas, ...] by output name.
        """
        self._losses.append(float(np.mean(outputs[LOSS_OUTPUT].astype(np.float64))))
        if self._function is None:
            session.run(otherwise)
            return
        joined = {
            name: join_replicas(value, broadcast=self._broadcast)
            for name, value in outputs.items()
            if name != LOSS_OUTPUT
        }
        _, update = self._function.built
        session.run(update, self._function.feed(joined))

    def results(self, session: tf.compat.v1.Session, step: int) -> dict[str, Any]:
        """Returns all metrics by name, with `loss`, mean over steps, and `global_step`."""
        values = {} if self._function is None else session.run(self._function.built[0])
        return {**values, LOSS: np.float32(np.mean(self._losses)), GLOBAL_STEP: step}


def _split_metrics(metrics: Any) -> tuple[dict[str, tf.Tensor], tf.Operation]:
    pairs = validate_eval_metric_ops(metrics)
    for name in (LOSS, GLOBAL_STEP):
        if name in pairs:
            raise metric_key_error(name)
    values = {name: value for name, (value, _) in pairs.items()}
    return values, tf.group(*(update for _, update in pairs.values()))
