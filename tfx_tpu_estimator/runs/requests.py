"""What an estimator asks of a runner: calls of train, evaluate and predict, checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import tensorflow as tf

from tfx_tpu_estimator.checkpoints.initial_values import ModelInitialValues
from tfx_tpu_estimator.checkpoints.warm_start import WarmStartSettings


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """One call of train.

    Attributes:
      input_fn: The user's function.
      hooks: The user's hooks.
      listeners: The user's CheckpointSaverListeners.
      start: The global step that training goes on from, 0 without a checkpoint.
      target: The global step to stop at; None for the end of the input.
      checkpoint: Prefix of the checkpoint that training goes on from, or None.
      warm_start: Initial values from elsewhere, used without a checkpoint.
    """

    input_fn: Callable
    hooks: Sequence[tf.compat.v1.train.SessionRunHook]
    listeners: Sequence[tf.compat.v1.train.CheckpointSaverListener]
    start: int
    target: int | None
    checkpoint: str | None
    warm_start: WarmStartSettings | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateRequest:
    """One call of evaluate.

    Attributes:
      input_fn: The user's function.
      hooks: The user's hooks.
      steps: Batches to evaluate; None for all, which only the host can.
      checkpoint: Prefix of the checkpoint; None to evaluate what a warm start gives.
      warm_start: Initial values from elsewhere, or those of the model_fn, used without a
        checkpoint.
      on_step: Called with the number of batches done.
    """

    input_fn: Callable
    hooks: Sequence[tf.compat.v1.train.SessionRunHook]
    steps: int | None
    checkpoint: str | None
    warm_start: WarmStartSettings | ModelInitialValues | None
    on_step: Callable[[int], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictRequest:
    """One call of predict.

    Attributes:
      input_fn: The user's function.
      hooks: The user's hooks.
      checkpoint: Prefix of the checkpoint; None to predict with what a warm start gives.
      warm_start: Initial values from elsewhere, or those of the model_fn, used without a
        checkpoint.
      predict_keys: Keys of predictions to keep; None for all.
    """

    input_fn: Callable
    hooks: Sequence[tf.compat.v1.train.SessionRunHook]
    checkpoint: str | None
    warm_start: WarmStartSettings | ModelInitialValues | None
    predict_keys: Sequence[str] | None


class Runner(Protocol):
    """One way to run a model_fn."""

    @property
    def num_replicas(self) -> int:
        """How many copies of the model share a step."""
        ...

    @property
    def on_devices(self) -> bool:
        """Whether it runs on devices, which have to be told when to stop."""
        ...

    @property
    def is_chief(self) -> bool:
        """Whether this process writes checkpoints and events."""
        ...

    def train(self, request: TrainRequest) -> None:
        """Trains, and saves checkpoints."""
        ...

    def evaluate(self, request: EvaluateRequest) -> dict[str, Any]:
        """Returns metrics by name, with `loss` and `global_step`."""
        ...

    def predict(self, request: PredictRequest) -> Iterator[Any]:
        """Yields the predictions of each batch."""
        ...
