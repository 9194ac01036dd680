"""Contenders without an estimator: a hand-written loop of TensorFlow, Keras, and plain jax."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import tensorflow as tf
from cells import LEARNING_RATE, Cell, compute_loss, make_initial
from estimators import make_model_fn


class FunctionContender:
    """A tf.function that runs the steps in a loop inside the graph, with the fused Adam kernel.

    Args:
      cell: What to train.
      data_dir: Where its files are.
    """

    def __init__(self, cell: Cell, data_dir: str):
        self._cell = cell
        self._variables: dict[str, tf.Variable] = {}
        dataset = cell.make_dataset(data_dir)
        cell.model.forward(self._get, next(iter(dataset))[0])
        self._slots = [
            (v, tf.Variable(tf.zeros_like(v)), tf.Variable(tf.zeros_like(v)))
            for v in self._variables.values()
        ]
        self._powers = [tf.Variable(0.9), tf.Variable(0.999)]
        self._step = tf.Variable(0, dtype=tf.int64)
        self._iterator = iter(dataset)
        self._run = tf.function(self._run_loop)

    def run_round(self) -> dict[str, float]:
        """Runs some loops; returns steps per second."""
        model = self._cell.model
        return _measure(model, lambda: self._run(self._iterator, tf.constant(model.loop)).numpy())

    def close(self) -> None:
        """Nothing is left behind."""

    def _get(self, name: str, shape: list) -> tf.Variable:
        if name not in self._variables:
            self._variables[name] = tf.Variable(make_initial(name, shape), name=name)
        return self._variables[name]

    def _run_loop(self, iterator: Any, steps: Any) -> Any:
        losses = tf.TensorArray(tf.float32, steps)
        for i in tf.range(steps):
            losses = losses.write(i, self._run_step(*next(iterator)))
        return losses.stack()

    def _run_step(self, features: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = compute_loss(self._cell.model.forward(self._get, features), labels)
        gradients = tape.gradient(loss, [v for v, _, _ in self._slots])
        for (v, m, s), gradient in zip(self._slots, gradients, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=v.handle,
                m=m.handle,
                v=s.handle,
                beta1_power=self._powers[0],
                beta2_power=self._powers[1],
                lr=LEARNING_RATE,
                beta1=0.9,
                beta2=0.999,
                epsilon=1e-8,
                grad=gradient,
            )
        self._powers[0].assign(self._powers[0] * 0.9)
        self._powers[1].assign(self._powers[1] * 0.999)
        self._step.assign_add(1)
        return loss


class KerasContender:
    """`fit` of tf-keras, with as many steps per execution as the others have in a loop.

    Args:
      cell: What to train.
      data_dir: Where its files are.
    """

    def __init__(self, cell: Cell, data_dir: str):
        import tf_keras

        class Net(tf_keras.Model):
            def call(self, features: Any) -> Any:
                return cell.model.forward(self._get, features)

            def _get(self, name: str, shape: list) -> Any:
                if name not in variables:
                    variables[name] = self.add_weight(
                        name=name,
                        shape=shape,
                        initializer=tf.constant_initializer(make_initial(name, shape)),
                    )
                return variables[name]

        variables: dict[str, Any] = {}
        self._model = cell.model
        self._dataset = cell.make_dataset(data_dir)
        self._net = Net()
        self._net.compile(
            tf_keras.optimizers.legacy.Adam(LEARNING_RATE),
            tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            steps_per_execution=cell.model.loop,
        )
        self._times: list[float] = []
        times = self._times

        class Clock(tf_keras.callbacks.Callback):
            def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
                times.append(time.perf_counter())

        self._clock = Clock()

    def run_round(self) -> dict[str, float]:
        """Runs some loops; returns steps per second."""
        self._times.clear()
        steps = self._model.loop * self._model.loops
        self._net.fit(
            self._dataset, steps_per_epoch=steps, epochs=1, verbose=0, callbacks=[self._clock]
        )
        loops = len(self._times) - 2
        return {"steps_per_second": loops * self._model.loop / (self._times[-1] - self._times[1])}

    def close(self) -> None:
        """Nothing is left behind."""


class JaxContender:
    """The very program of use_tpu=True on one device, in a loop of jax written by hand.

    Input comes from the same dataset; nothing is recorded and no hook is called.

    Args:
      cell: What to train.
      data_dir: Where its files are.
    """

    def __init__(self, cell: Cell, data_dir: str):
        from tfx_tpu_estimator.lowering.hlo import lower_model

        self._model = cell.model
        dataset = cell.make_dataset(data_dir)
        traced = _trace(cell, dataset)
        self._program = lower_model(traced)
        with traced.graph.as_default(), tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            values = session.run({v.op.name: v for v in traced.variables})
        self._state = {v.name: values[v.name] for v in self._program.state}
        self._batches = dataset.as_numpy_iterator()
        self._step = 0
        self._run = self._make_run()

    def run_round(self) -> dict[str, float]:
        """Runs some loops; returns steps per second."""
        return _measure(self._model, self._run_loop)

    def close(self) -> None:
        """Nothing is left behind."""

    def _make_run(self) -> Any:
        import jax

        from tfx_tpu_estimator.execution.program_call import bind_program

        def run_step(carried: Any, batch: Any) -> Any:
            state, step = carried
            position = jax.numpy.stack([step, jax.numpy.zeros_like(step)])
            new, outputs = bind_program(self._program, position, batch, state)
            return ({**state, **new}, step + 1), outputs

        def run_steps(state: Any, step: Any, batches: Any) -> Any:
            (state, _), outputs = jax.lax.scan(run_step, (state, step), batches)
            return state, outputs

        return jax.jit(run_steps, donate_argnums=0)

    def _run_loop(self) -> Any:
        from jax.experimental import enable_x64

        batches = [next(self._batches) for _ in range(self._model.loop)]
        stacked = [np.stack(arrays) for arrays in zip(*batches, strict=True)]
        with enable_x64():
            self._state, outputs = self._run(self._state, np.int64(self._step), stacked)
        self._step += self._model.loop
        return [np.asarray(output) for output in outputs]


def _trace(cell: Cell, dataset: tf.data.Dataset) -> Any:
    import tfx_tpu_estimator
    from tfx_tpu_estimator.lowering.trace import trace_model

    features, labels = dataset.element_spec
    return trace_model(
        make_model_fn(tfx_tpu_estimator, cell, use_tpu=True),
        features=features,
        labels=labels,
        mode="train",
        params={},
        config=None,
        num_replicas=1,
        seed=1,
    )


def _measure(model: Any, run_loop: Any) -> dict[str, float]:
    """Runs the loops of a round, the first two outside the measurement, as for estimators."""
    run_loop()
    run_loop()
    start = time.perf_counter()
    for _ in range(model.loops - 2):
        run_loop()
    seconds = time.perf_counter() - start
    return {"steps_per_second": (model.loops - 2) * model.loop / seconds}
