"""How long a checkpoint holds a training on devices up, against one copy of its state in memory.

Run by run.py in a process of its own; writes {"stall": [...], "copy": [...]} in seconds to stdout.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from typing import Any

NAME = "checkpoint stall, 200 MB"
MOST = 2.0
_MEGABYTES = 200
_SAVES = 6
_STEPS_PER_SAVE = 3
# So slow an input lets a write in the background end before the next one begins.
_SECONDS_PER_BATCH = 0.35


def judge_stall(measured: dict[str, list[float]]) -> dict[str, Any]:
    """Returns the row of the targets' table.

    Args:
      measured: What this script writes.

    Example:
      >>> judge_stall({"stall": [0.2, 0.3, 0.2], "copy": [0.1, 0.2, 0.2]})["median"]
      1.5
    """
    pairs = zip(measured["stall"], measured["copy"], strict=True)
    ratios = [stall / copy for stall, copy in pairs]
    median = statistics.median(ratios)
    return {
        "cell": NAME,
        "what": "stall / memory copy",
        "target": MOST,
        "at_most": True,
        "median": median,
        "low": min(ratios),
        "high": max(ratios),
        "met": median <= MOST,
    }


def measure() -> dict[str, list[float]]:
    """Trains a model of 200 MB; times each save, and a copy in memory just before it."""
    import numpy as np

    from tfx_tpu_estimator.runs.saver_hook import DeviceSaverHook

    times: dict[str, list[float]] = {"stall": [], "copy": []}
    state = np.ones(_MEGABYTES * 2**18, np.float32)
    after_run = DeviceSaverHook.after_run

    def timed_after_run(self: Any, run_context: Any, run_values: Any) -> None:
        if self._state.step % _STEPS_PER_SAVE:
            after_run(self, run_context, run_values)
            return
        began = time.monotonic()
        np.array(state, copy=True)
        copied = time.monotonic()
        after_run(self, run_context, run_values)
        times["copy"].append(copied - began)
        times["stall"].append(time.monotonic() - copied)

    DeviceSaverHook.after_run = timed_after_run
    with tempfile.TemporaryDirectory() as model_dir:
        _make_estimator(model_dir).train(_input_fn, max_steps=_SAVES * _STEPS_PER_SAVE)
    # The first save finds nothing warm.
    return {name: seconds[1:] for name, seconds in times.items()}


def _make_estimator(model_dir: str) -> Any:
    import tfx_tpu_estimator

    config = tfx_tpu_estimator.RunConfig(
        model_dir=model_dir,
        save_checkpoints_steps=_STEPS_PER_SAVE,
        keep_checkpoint_max=2,
        tpu_config=tfx_tpu_estimator.TPUConfig(iterations_per_loop=1, num_shards=1),
    )
    return tfx_tpu_estimator.TPUEstimator(
        _model_fn, config=config, use_tpu=True, train_batch_size=8
    )


def _input_fn(params: dict) -> Any:
    import tensorflow as tf

    def wait(x: Any) -> Any:
        time.sleep(_SECONDS_PER_BATCH)
        return x

    def slowly(x: Any) -> Any:
        return tf.ensure_shape(tf.numpy_function(wait, [x], tf.float32), x.shape)

    data = tf.data.Dataset.from_tensors(tf.ones([params["batch_size"], 1])).repeat()
    return data.map(slowly)


def _model_fn(features: Any, labels: Any, mode: str, params: dict) -> Any:
    import tensorflow.compat.v1 as tf

    import tfx_tpu_estimator

    del labels, params
    large = tf.get_variable("large", [_MEGABYTES, 2**18], initializer=tf.zeros_initializer())
    loss = tf.reduce_mean(features * large[0, 0])
    step = tf.train.get_global_step()
    optimizer = tf.tpu.CrossShardOptimizer(tf.train.GradientDescentOptimizer(0.1))
    return tfx_tpu_estimator.TPUEstimatorSpec(
        mode, loss=loss, train_op=optimizer.minimize(loss, step)
    )


def main() -> None:
    """Measures and writes."""
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not get between
    print(json.dumps(measure()), file=results, flush=True)


if __name__ == "__main__":
    sys.exit(main())
