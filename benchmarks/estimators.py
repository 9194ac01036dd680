"""Contenders that train through an estimator: ours on both engines, and the old one."""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from cells import LEARNING_RATE, Cell, compute_loss, make_initial

tf1 = tf.compat.v1


def make_model_fn(namespace: Any, cell: Cell, *, use_tpu: bool) -> Callable:
    """Returns the model_fn of a cell, as a user of TPUEstimator writes it."""

    def model_fn(features: Any, labels: Any, mode: str, params: dict) -> Any:
        del params

        def get(name: str, shape: list) -> Any:
            return tf1.get_variable(name, initializer=make_initial(name, shape))

        loss = compute_loss(cell.model.forward(get, features), labels)
        optimizer = tf1.train.AdamOptimizer(LEARNING_RATE)
        if use_tpu:
            optimizer = tf1.tpu.CrossShardOptimizer(optimizer)
        train_op = optimizer.minimize(loss, tf1.train.get_or_create_global_step())
        return namespace.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)

    return model_fn


class EstimatorContender:
    """Trains a cell with a TPUEstimator; a round is one call of `train`.

    The speed is what the estimator itself records: steps per second from loop to loop, the first
    one left out. Building the graph, compiling and saving are not in it.

    Args:
      namespace: Has TPUEstimator, TPUEstimatorSpec, RunConfig and TPUConfig.
      cell: What to train.
      data_dir: Where its files are.
      use_tpu: The engine.
      devices: With use_tpu, how many.
    """

    def __init__(
        self, namespace: Any, cell: Cell, data_dir: str, *, use_tpu: bool, devices: int | None
    ):
        self._namespace = namespace
        self._cell = cell
        self._data_dir = data_dir
        self._use_tpu = use_tpu
        self._devices = devices
        self._model_dir = tempfile.mkdtemp(prefix="benchmark_")
        self._last_step = 0
        self._estimator = self._make_estimator()

    def run_round(self) -> dict[str, float]:
        """Trains for some loops; returns steps per second."""
        model = self._cell.model
        self._estimator.train(self._input_fn, steps=model.loops * model.loop)
        speeds = self._take_speeds()
        return {"steps_per_second": len(speeds) / sum(1 / speed for speed in speeds)}

    def close(self) -> None:
        """Removes what was written."""
        shutil.rmtree(self._model_dir, ignore_errors=True)

    def _take_speeds(self) -> list[float]:
        """Returns the speeds recorded since the last call."""
        tf1.summary.FileWriterCache.clear()
        speeds = []
        for path in sorted(glob.glob(os.path.join(self._model_dir, "events.*"))):
            for event in tf1.train.summary_iterator(path):
                found = [v.simple_value for v in event.summary.value if v.tag == "global_step/sec"]
                speeds += [(event.step, speed) for speed in found]
        new = [speed for step, speed in sorted(speeds) if step > self._last_step]
        self._last_step = max(step for step, _ in speeds)
        # The first loop warms caches up.
        return new[1:]

    def _make_estimator(self) -> Any:
        model = self._cell.model
        config = self._namespace.RunConfig(
            model_dir=self._model_dir,
            tf_random_seed=1,
            save_checkpoints_steps=10**9,
            save_checkpoints_secs=None,
            log_step_count_steps=model.loop,
            tpu_config=self._namespace.TPUConfig(
                iterations_per_loop=model.loop, num_shards=self._devices
            ),
        )
        return self._namespace.TPUEstimator(
            make_model_fn(self._namespace, self._cell, use_tpu=self._use_tpu),
            params={},
            config=config,
            use_tpu=self._use_tpu,
            train_batch_size=model.batch_size,
            eval_batch_size=model.batch_size,
            predict_batch_size=model.batch_size,
        )

    def _input_fn(self, params: dict) -> tf.data.Dataset:
        del params  # with several devices the host splits the same batch
        return self._cell.make_dataset(self._data_dir)


class OurContender(EstimatorContender):
    """Ours; on devices it also tells how long training waited for its input."""

    def __init__(self, cell: Cell, data_dir: str, *, use_tpu: bool, devices: int | None = None):
        import tfx_tpu_estimator

        super().__init__(tfx_tpu_estimator, cell, data_dir, use_tpu=use_tpu, devices=devices)

    def run_round(self) -> dict[str, float]:
        """Trains for some loops; returns steps per second and seconds waited for input."""
        from tfx_tpu_estimator.inputs.host_stream import HostStream

        waited = []
        close = HostStream.close

        def close_and_tell(stream: Any) -> None:
            waited.append(stream.seconds_waited)
            close(stream)

        HostStream.close = close_and_tell
        try:
            result = super().run_round()
        finally:
            HostStream.close = close
        return {**result, "input_wait_seconds": max(waited)} if waited else result


class OldContender(EstimatorContender):
    """The TPUEstimator of TensorFlow 2.15, which only runs in an environment that has it."""

    def __init__(self, cell: Cell, data_dir: str):
        namespace = tf1.estimator.tpu
        super().__init__(namespace, cell, data_dir, use_tpu=False, devices=None)
