"""How much memory a training on one device holds, measured in a process of its own.

Run as a script: `memory.py <megabytes of variables> <steps> <steps per loop> <model_dir> <copies>`.
It prints JSON: resident megabytes before training (with everything imported and started), after
every loop, and the most there ever was.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time

import tensorflow as tf
from helpers import devices  # noqa: F401
from helpers.hooks import call_every_step
from helpers.models import make_tpu_estimator, train_input_fn

import tfx_tpu_estimator as tpu_estimator

tf1 = tf.compat.v1
_KILOBYTES = 1024
_TRIES = 500
# After so many loops memory is expected to be flat, within so many megabytes.
FLAT_FROM, FLAT_WITHIN = 20, 4


def measure_training(megabytes, steps, loop, model_dir, copies=0.0):
    """Trains in another process; returns what the script prints.

    Args:
      megabytes: Of variables.
      steps: Of the training.
      loop: Steps of a loop.
      model_dir: Of the training.
      copies: So many copies of the variables are expected after a loop; 0 for no such limit.
    """
    tests = pathlib.Path(__file__).parents[1]
    arguments = map(str, (megabytes, steps, loop, model_dir, copies))
    command = [sys.executable, __file__, *arguments]
    paths = os.pathsep.join([str(tests), str(tests.parent)])
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def read_memory(field):
    """Returns a field of this process's status, such as VmRSS, in megabytes."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / _KILOBYTES
    raise KeyError(field)


def read_settled(expected=None):
    """Returns the resident megabytes once what ran has freed what only it needed.

    Args:
      expected: It may take ten seconds until there are no more than these, where threads have to
        wait for a core; None: until there are no fewer than a moment before.
    """
    time.sleep(0.02)
    lowest = read_memory("VmRSS")
    for _ in range(_TRIES):
        if expected is not None and lowest < expected:
            return lowest
        time.sleep(0.02)
        now = read_memory("VmRSS")
        if expected is None and now >= lowest:
            return now
        lowest = min(lowest, now)
    return lowest


def model_fn(features, labels, mode, params):
    """A wide dense layer: one large variable, a gradient as large, no slots."""
    width = params["megabytes"] * 2**20 // (4 * 1024)
    wide = tf.tile(features["x"], [1, width // 4])
    initializer = tf1.random_normal_initializer(stddev=0.01)
    kernel = tf1.get_variable("kernel", [width, 1024], initializer=initializer)
    logits = tf.reduce_mean(tf.matmul(wide, kernel), axis=1, keepdims=True)
    loss = tf1.losses.sigmoid_cross_entropy(labels, logits)
    optimizer = tf1.tpu.CrossShardOptimizer(tf1.train.GradientDescentOptimizer(0.1))
    train_op = optimizer.minimize(loss, tf1.train.get_global_step())
    spec = tpu_estimator.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)
    return spec._replace(host_call=call_every_step(params["on_step"]))


def train(megabytes, steps, loop, model_dir, on_step):
    """Trains a model of so many megabytes of variables."""
    estimator = make_tpu_estimator(
        model_dir,
        model_fn,
        replicas=1,
        loop=loop,
        run={"save_checkpoints_steps": None, "save_checkpoints_secs": None},
        tpu={"experimental_host_call_every_n_steps": loop},
        params={"megabytes": megabytes, "on_step": on_step},
    )
    estimator.train(train_input_fn, steps=steps)


def _main(megabytes, steps, loop, model_dir, copies):
    train(1, 2, 1, f"{model_dir}/first", lambda step: None)
    before, after_loops = read_memory("VmRSS"), []

    def measure(step):
        expected = None
        if after_loops and float(copies):
            expected = before + float(copies) * int(megabytes)
        elif len(after_loops) > FLAT_FROM:
            expected = after_loops[FLAT_FROM] + FLAT_WITHIN
        after_loops.append(read_settled(expected))

    train(int(megabytes), int(steps), int(loop), f"{model_dir}/measured", measure)
    print(json.dumps({"before": before, "loops": after_loops, "most": read_memory("VmHWM")}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
