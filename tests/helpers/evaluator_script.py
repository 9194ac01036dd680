"""One process of a cluster that trains and evaluates: does what TF_CONFIG says.

Several processes that train do so on devices.

evaluator_script.py <model_dir> <max_steps, or "stop early">
"""

import json
import os
import sys
import time

import tensorflow as tf
from helpers import models
from helpers.events import read_scalars

import tfx_tpu_estimator as tpu_estimator
from tfx_tpu_estimator.checkpoints.layout import find_latest, read_global_step

tf1 = tf.compat.v1
EARLY = "stop early"


class WaitForEvaluator(tf1.train.SessionRunHook):
    """Trains on when the latest checkpoint is evaluated, however long that takes."""

    def __init__(self, model_dir):
        self._model_dir = model_dir

    def before_run(self, run_context):
        latest = find_latest(self._model_dir)
        while latest and not self._is_evaluated(read_global_step(latest)):
            time.sleep(0.2)

    def _is_evaluated(self, step):
        try:
            return step in read_scalars(os.path.join(self._model_dir, "eval"), "loss")
        except tf.errors.DataLossError:
            return False  # A record is being written.


def make_estimator(model_dir):
    run = {"save_checkpoints_steps": 20, "keep_checkpoint_max": 3}
    if "worker" in json.loads(os.environ["TF_CONFIG"])["cluster"]:
        return models.make_tpu_estimator(model_dir, replicas=2, loop=2, run=run)
    return models.make_estimator(model_dir, config=tpu_estimator.RunConfig(**run))


def main(model_dir, how):
    estimator = make_estimator(model_dir)
    hooks = [WaitForEvaluator(model_dir)]
    if how == EARLY:
        # The metrics are those that the other process writes.
        hooks.append(
            tpu_estimator.stop_if_higher_hook(
                estimator, "accuracy", 0.9, run_every_secs=None, run_every_steps=1
            )
        )
    max_steps = 10**6 if how == EARLY else int(how)
    metrics, exports = tpu_estimator.train_and_evaluate(
        estimator,
        tpu_estimator.TrainSpec(models.train_input_fn, max_steps=max_steps, hooks=hooks),
        tpu_estimator.EvalSpec(
            models.eval_input_fn,
            steps=10,
            exporters=tpu_estimator.FinalExporter("final", models.receiver_fn),
            start_delay_secs=0.1,
            throttle_secs=0,
        ),
    )
    step = None if metrics is None else int(metrics["global_step"])
    names = [os.path.basename(path).decode() for path in exports]
    print("RESULT " + json.dumps([step, names]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
