"""Evaluation of a model while it trains, without waiting for checkpoints."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.config.run_arguments import validate_hooks


class InMemoryEvaluatorHook(tf.compat.v1.train.SessionRunHook):
    """Evaluates the model before the first step, every so many iterations, and at the end.

    The variables are taken as they are at that moment. They go through a temporary file, whatever
    the saver of the model_fn is, and nothing is left of it.

    Args:
      estimator: The estimator that trains; it evaluates, too.
      input_fn: As for `evaluate`.
      steps: As for `evaluate`.
      hooks: As for `evaluate`.
      name: As for `evaluate`.
      every_n_iter: Iterations between two evaluations, > 0. On devices an iteration is a loop of
        steps.

    Raises:
      ValueError: `every_n_iter` is not positive; or the estimator trains in several processes.
      TypeError: A hook is of the wrong type.

    Example:
      evaluator = InMemoryEvaluatorHook(estimator, eval_input_fn, every_n_iter=500)
      estimator.train(train_input_fn, hooks=[evaluator], max_steps=10_000)
    """

    def __init__(
        self,
        estimator: Any,
        input_fn: Callable,
        steps: int | None = None,
        hooks: Sequence[tf.compat.v1.train.SessionRunHook] | None = None,
        name: str | None = None,
        every_n_iter: int = 100,
    ):
        if every_n_iter is None or every_n_iter <= 0:
            raise ValueError(f"invalid every_n_iter={every_n_iter}. It must be an int > 0.")
        if estimator.config.num_ps_replicas > 0 or estimator.config.num_worker_replicas > 1:
            raise ValueError(
                "InMemoryEvaluator supports only single machine (aka Local) setting. In a cluster, "
                "start a process with the task 'evaluator' and train_and_evaluate."
            )
        self._estimator = estimator
        self._input_fn = input_fn
        self._steps = steps
        self._hooks = validate_hooks(hooks)
        self._name = name
        self._every_n_iter = every_n_iter
        self._iterations = 0
        self._evaluated_at: int | None = None

    def begin(self) -> None:
        """Adds to the graph what writes its variables."""
        self._iterations = 0
        self._evaluated_at = None
        self._saver = tf.compat.v1.train.Saver(allow_empty=True)

    def after_create_session(self, session: tf.compat.v1.Session, coord: Any) -> None:
        """Evaluates the model before it is trained."""
        del coord
        self._evaluate(session)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Evaluates if it is time."""
        del run_values
        self._iterations += 1
        if self._iterations % self._every_n_iter == 0:
            self._evaluate(run_context.session)

    def end(self, session: tf.compat.v1.Session) -> None:
        """Evaluates the trained model, unless that was just done."""
        if self._evaluated_at != self._iterations:
            self._evaluate(session)

    def _evaluate(self, session: tf.compat.v1.Session) -> None:
        self._evaluated_at = self._iterations
        with tempfile.TemporaryDirectory(prefix="tfx_tpu_estimator_") as directory:
            prefix = self._saver.save(
                session,
                os.path.join(directory, "model.ckpt"),
                write_meta_graph=False,
                write_state=False,
            )
            self._estimator.evaluate(
                self._input_fn,
                steps=self._steps,
                hooks=self._hooks,
                checkpoint_path=prefix,
                name=self._name,
            )
