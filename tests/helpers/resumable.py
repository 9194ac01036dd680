"""A training with shuffled input and dropout, here or in a process that gets a signal on its way.

Run as a script, it sends itself a signal when it has trained so many steps:

    resumable.py <model_dir> <signal number> <step> <steps between checkpoints> <use_tpu, 0 or 1>
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import tensorflow as tf
from helpers.hooks import call_every_step

import tfx_tpu_estimator as tpu_estimator

tf1 = tf.compat.v1

STEPS = 30
LOOP = 4
RNG = np.random.RandomState(5)
FEATURES = RNG.randn(50, 4).astype("float32")
LABELS = (FEATURES[:, :1] * FEATURES[:, 1:2] > 0).astype("float32")


def input_fn(params):
    """Shuffled anew in every pass, for ever; 50 examples are no whole number of batches."""
    data = tf.data.Dataset.from_tensor_slices(({"x": FEATURES}, LABELS))
    return data.shuffle(50).repeat().batch(params["batch_size"], drop_remainder=True)


def model_fn(features, labels, mode, params):
    """A dense network with dropout; `params["on_step"]`, if given, is called on the host."""
    hidden = tf1.layers.dense(features["x"], 16, activation=tf.nn.relu, name="hidden")
    hidden = tf1.layers.dropout(hidden, rate=0.3, training=True)
    logits = tf1.layers.dense(hidden, 1, name="logits")
    loss = tf1.losses.sigmoid_cross_entropy(labels, logits)
    optimizer = tf1.tpu.CrossShardOptimizer(tf1.train.AdamOptimizer(0.01))
    train_op = optimizer.minimize(loss, tf1.train.get_global_step())
    spec = tpu_estimator.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)
    on_step = params.get("on_step")
    return spec if on_step is None else spec._replace(host_call=call_every_step(on_step))


def make_estimator(
    model_dir, *, on_step=None, save_every=8, replicas=2, loop=LOOP, seed=7, use_tpu=True
):
    """The estimator of this training; its trainings in one process share nothing."""
    config = tpu_estimator.RunConfig(
        model_dir=str(model_dir),
        tf_random_seed=seed,
        save_checkpoints_steps=save_every,
        keep_checkpoint_max=None,
        tpu_config=tpu_estimator.TPUConfig(iterations_per_loop=loop, num_shards=replicas),
    )
    params = {} if on_step is None else {"on_step": on_step}
    return tpu_estimator.TPUEstimator(
        model_fn, config=config, params=params, use_tpu=use_tpu, train_batch_size=8
    )


def train(model_dir, **arguments):
    """Trains up to `STEPS`, from where `model_dir` is; returns the estimator."""
    return make_estimator(model_dir, **arguments).train(input_fn, max_steps=STEPS)


def read_variables(model_dir, step=STEPS):
    """Returns all variables of a checkpoint by name, slots included."""
    reader = tf.train.load_checkpoint(str(pathlib.Path(model_dir) / f"model.ckpt-{step}"))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def assert_identical(found, expected):
    """Fails unless both hold the same variables, equal to the bit."""
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def copy_checkpoint(step, source, target):
    """Makes `target` a model directory as a kill soon after a checkpoint leaves it."""
    target.mkdir()
    for path in source.glob(f"model.ckpt-{step}.*"):
        shutil.copy(path, target)
    (target / "checkpoint").write_text(f'model_checkpoint_path: "model.ckpt-{step}"')


def train_in_process(model_dir, signal_number, step, save_every, *, use_tpu=True):
    """Trains in another process, which gets the signal when step `step` has run."""
    tests = pathlib.Path(__file__).parents[1]
    paths = [str(tests), str(tests.parent)]
    options = [int(signal_number), step, save_every, int(use_tpu)]
    command = [sys.executable, __file__, str(model_dir), *options]
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )


def _main(model_dir, signal_number, at_step, save_every, use_tpu):
    def send(step):
        if step == int(at_step):
            os.kill(os.getpid(), int(signal_number))

    train(model_dir, on_step=send, save_every=int(save_every), use_tpu=bool(int(use_tpu)))


if __name__ == "__main__":
    _main(*sys.argv[1:])
