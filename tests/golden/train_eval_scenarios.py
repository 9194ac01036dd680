"""Runs of train_and_evaluate that write down what happens, and in which order.

One source for the old estimator and ours. Nothing here imports an estimator: `namespace` is
anything with `Estimator`, `EstimatorSpec`, `RunConfig`, `TrainSpec`, `EvalSpec`, exporters and
`experimental`, such as `tf.estimator` of TensorFlow 2.15.
"""

from __future__ import annotations

import glob
import math
import os
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

FEATURES = np.random.RandomState(0).randn(40, 2).astype("float32")
LABELS = FEATURES.sum(axis=1, keepdims=True) - 0.25


def input_fn():
    data = tf.data.Dataset.from_tensor_slices(({"x": FEATURES}, LABELS))
    return data.repeat().batch(10)


def eval_input_fn():
    return tf.data.Dataset.from_tensor_slices(({"x": FEATURES}, LABELS)).batch(10)


def receiver_fn(namespace: Any):
    def make():
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        return namespace.export.ServingInputReceiver({"x": x}, {"x": x})

    return make


def make_model_fn(namespace: Any, rate: float, log: list):
    """A linear model that starts at zero; `rate` is its learning rate."""

    def model_fn(features, labels, mode):
        kernel = tf.get_variable("kernel", [2, 1], initializer=tf.zeros_initializer())
        y = tf.matmul(features["x"], kernel)
        if mode == "infer":
            return namespace.EstimatorSpec(mode, predictions={"y": y})
        loss = tf.losses.mean_squared_error(labels, y)
        if mode == "eval":
            log.append("build evaluation")
            metrics = {"error": tf.metrics.mean_absolute_error(labels, y)}
            return namespace.EstimatorSpec(mode, loss=loss, eval_metric_ops=metrics)
        optimizer = tf.train.GradientDescentOptimizer(rate)
        train_op = optimizer.minimize(loss, tf.train.get_global_step())
        return namespace.EstimatorSpec(mode, loss=loss, train_op=train_op)

    return model_fn


class Listener(tf.train.CheckpointSaverListener):
    def __init__(self, log: list):
        self._log = log

    def begin(self):
        self._log.append("listener begins")

    def before_save(self, session, global_step_value):
        self._log.append(f"before save {global_step_value}")

    def after_save(self, session, global_step_value):
        self._log.append(f"after save {global_step_value}")

    def end(self, session, global_step_value):
        self._log.append(f"listener ends {global_step_value}")


class Hook(tf.train.SessionRunHook):
    def __init__(self, log: list, name: str):
        self._log = log
        self._name = name

    def begin(self):
        self._log.append(f"{self._name} begins")

    def after_create_session(self, session, coord):
        self._log.append(f"{self._name} has a session")

    def end(self, session):
        self._log.append(f"{self._name} ends")


def make_exporter(namespace: Any, log: list):
    class Exporter(namespace.Exporter):
        @property
        def name(self):
            return "log"

        def export(self, estimator, export_path, checkpoint_path, eval_result, is_the_final_export):
            path = os.path.relpath(export_path, estimator.model_dir)
            checkpoint = os.path.basename(checkpoint_path)
            final = ", final" if is_the_final_export else ""
            log.append(f"export {checkpoint} to {path}{final}")
            return f"exported {checkpoint}"

    return Exporter()


class Run:
    """One estimator and what happened to it."""

    def __init__(self, namespace: Any, model_dir: str, *, rate: float = 0.1, save_every: int = 4):
        self.namespace = namespace
        self.log: list[str] = []
        self.model_dir = model_dir
        config = namespace.RunConfig(
            model_dir=model_dir, tf_random_seed=1, save_checkpoints_steps=save_every
        )
        model_fn = make_model_fn(namespace, rate, self.log)
        self.estimator = namespace.Estimator(model_fn, config=config)

    def go(self, *, max_steps, hooks=(), exporters=None, throttle_secs=0, name=None, **train):
        """Runs train_and_evaluate; notes what it returns."""
        namespace = self.namespace
        if exporters is None:
            exporters = [make_exporter(namespace, self.log)]
        result = namespace.train_and_evaluate(
            self.estimator,
            namespace.TrainSpec(
                train.get("input_fn", input_fn),
                max_steps=max_steps,
                hooks=hooks,
                saving_listeners=[Listener(self.log)],
            ),
            namespace.EvalSpec(
                eval_input_fn,
                steps=None,
                name=name,
                hooks=[Hook(self.log, "evaluation hook")],
                exporters=exporters,
                throttle_secs=throttle_secs,
            ),
        )
        return result

    def describe(self, result: Any) -> dict[str, Any]:
        metrics, exports = result if result is not None else (None, None)
        return {
            "log": self.log,
            "metrics": None if metrics is None else {k: float(v) for k, v in metrics.items()},
            "exports": None if exports is None else [_shorten(e) for e in exports],
            "events": list_events(self.model_dir),
            "exported": count_exports(self.model_dir),
        }


def _shorten(path: Any) -> Any:
    if isinstance(path, bytes):
        return "a number" if os.path.basename(path).isdigit() else path.decode()
    return path


def list_events(model_dir: str) -> dict[str, list]:
    """Evaluations by directory: [step, names] of each, in order of steps."""
    found = {}
    for directory in sorted(glob.glob(os.path.join(model_dir, "eval*"))):
        rows = []
        for path in glob.glob(os.path.join(directory, "events.*")):
            for event in tf.train.summary_iterator(path):
                names = sorted(v.tag for v in event.summary.value if v.HasField("simple_value"))
                if names:
                    rows.append([event.step, names])
        found[os.path.basename(directory)] = sorted(rows)
    return found


def count_exports(model_dir: str) -> dict[str, int]:
    """How many exports of each exporter there are."""
    return {
        os.path.basename(path): len([n for n in os.listdir(path) if n.isdigit()])
        for path in sorted(glob.glob(os.path.join(model_dir, "export", "*")))
    }


def every_checkpoint(namespace, model_dir):
    run = Run(namespace, model_dir)
    return run.describe(run.go(max_steps=10, hooks=[Hook(run.log, "training hook")]))


def throttled(namespace, model_dir):
    run = Run(namespace, model_dir)
    return run.describe(run.go(max_steps=10, throttle_secs=600))


def goes_on(namespace, model_dir):
    """The training of a model directory that has a checkpoint."""
    Run(namespace, model_dir).go(max_steps=4)
    run = Run(namespace, model_dir)
    return run.describe(run.go(max_steps=10))


def end_of_input(namespace, model_dir):
    run = Run(namespace, model_dir)
    result = run.go(max_steps=None, input_fn=lambda: input_fn().take(6), name="x")
    return run.describe(result)


def exporters(namespace, model_dir):
    run = Run(namespace, model_dir)
    make = receiver_fn(namespace)
    given = [
        namespace.FinalExporter("final", make),
        namespace.LatestExporter("latest", make, exports_to_keep=2),
        namespace.BestExporter("best", make),
    ]
    return run.describe(run.go(max_steps=12, exporters=given))


def stops_at_threshold(namespace, model_dir):
    run = Run(namespace, model_dir)
    hook = namespace.experimental.stop_if_lower_hook(
        run.estimator, "error", 0.35, run_every_secs=None, run_every_steps=1
    )
    return run.describe(run.go(max_steps=100, hooks=[hook]))


def stops_without_decrease(namespace, model_dir):
    run = Run(namespace, model_dir, rate=2.0)
    hook = namespace.experimental.stop_if_no_decrease_hook(
        run.estimator, "loss", 8, run_every_secs=None, run_every_steps=1
    )
    return run.describe(run.go(max_steps=30, hooks=[hook]))


def in_memory(namespace, model_dir):
    """What the hook evaluates, as it stands in its event files."""
    run = Run(namespace, model_dir)
    hook = namespace.experimental.InMemoryEvaluatorHook(
        run.estimator, eval_input_fn, name="memory", every_n_iter=3
    )
    return run.describe(run.go(max_steps=8, hooks=[hook]))


def complete(namespace, model_dir):
    """The training of a model directory in which nothing is left to do."""
    Run(namespace, model_dir).go(max_steps=4)
    run = Run(namespace, model_dir)
    return run.describe(run.go(max_steps=4))


SCENARIOS = {
    f.__name__: f
    for f in (
        every_checkpoint,
        throttled,
        goes_on,
        end_of_input,
        exporters,
        stops_at_threshold,
        stops_without_decrease,
        in_memory,
        complete,
    )
}


def is_close(found: float, wanted: float) -> bool:
    """Whether two metrics are equal but for rounding."""
    return math.isclose(found, wanted, rel_tol=1e-5, abs_tol=1e-7)
