"""CheckpointWriter killed at any moment: the latest whole checkpoint is there and loads."""

import os
import random
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from helpers.variables import read_checkpoint

from tfx_tpu_estimator.checkpoints.files import read_payload
from tfx_tpu_estimator.checkpoints.integrity import find_latest_whole, find_problem
from tfx_tpu_estimator.checkpoints.saved_tensors import SavedTensor
from tfx_tpu_estimator.checkpoints.writer import CheckpointWriter

ONE = SavedTensor(source="a", name="a", slice_spec="", shape=tf.TensorShape([9]), dtype=tf.float32)


def save(directory, step, value, keep=1):
    with CheckpointWriter(str(directory), [ONE], keep) as writer:
        writer.save({"a": np.full(9, value, "float32")}, step, payload=b"%d" % value)


class Power:
    """Cuts the power at the n-th operation on files: it and all later ones fail."""

    def __init__(self, monkeypatch, cut_at):
        self.done = 0
        for name in ("rename", "remove", "copy", "rmtree", "makedirs"):
            monkeypatch.setattr(tf.io.gfile, name, self._wrap(getattr(tf.io.gfile, name)))
        self.cut_at = cut_at

    def _wrap(self, operation):
        def wrapped(*args, **kwargs):
            if self.done >= self.cut_at:
                raise OSError("the power is off")
            self.done += 1
            return operation(*args, **kwargs)

        return wrapped


@pytest.mark.parametrize("step", [2, 1], ids=["the next step", "the same step again"])
def test_cut_between_any_two_operations_on_files(tmp_path, step):
    outcomes = []
    for cut_at in range(100):
        directory = tmp_path / str(cut_at)
        save(directory, 1, 1)
        with pytest.MonkeyPatch.context() as patch:
            power = Power(patch, cut_at)
            try:
                save(directory, step, 2)
            except OSError as error:
                assert "the power is off" in str(error)  # noqa: PT017
        found = find_latest_whole(str(directory))
        # TensorFlow, which looks at the state file alone, finds the same one.
        assert tf.train.latest_checkpoint(str(directory)) == found
        value = read_checkpoint(found)["a"][0]
        assert read_payload(found) == b"%d" % value
        outcomes.append(value)
        # The next run clears up and goes on.
        save(directory, 3, 3)
        assert read_checkpoint(find_latest_whole(str(directory)))["a"][0] == 3
        assert sorted(os.listdir(directory)) == [
            "checkpoint",
            "model.ckpt-3.data-00000-of-00001",
            "model.ckpt-3.index",
            "model.ckpt-3.input.json",
        ]
        if power.done < cut_at:
            break
    assert power.done < cut_at, "every cut was tried"
    # First the old, from some cut on the new, and never the old again.
    assert sorted(outcomes) == outcomes
    assert set(outcomes) == {1, 2}


SAVES_FOR_EVER = """
import itertools, sys
import numpy as np
import tensorflow as tf
from tfx_tpu_estimator.checkpoints.saved_tensors import SavedTensor
from tfx_tpu_estimator.checkpoints.writer import CheckpointWriter

shape = tf.TensorShape([500_000])
tensors = [
    SavedTensor(source=n, name=n, slice_spec="", shape=shape, dtype=tf.float32) for n in "abcd"
]
writer = CheckpointWriter(sys.argv[1], tensors, 2)
first = int(sys.argv[2])
for step in itertools.count(first):
    values = {n: np.full(500_000, step, "float32") for n in "abcd"}
    writer.save(values, step, payload=str(step).encode())
    print(step, flush=True)
"""


def test_kill_9_while_saving_in_a_loop(tmp_path):
    first = 0
    for seed in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", SAVES_FOR_EVER, str(tmp_path), str(first)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        with process:
            for _ in range(5):
                handed_over = int(process.stdout.readline())
            time.sleep(random.Random(seed).uniform(0, 0.1))
            os.kill(process.pid, signal.SIGKILL)
            rest = process.stdout.read().split()
        handed_over = int(rest[-1]) if rest else handed_over
        found = find_latest_whole(str(tmp_path))
        step = int(re.search(r"model\.ckpt-(\d+)$", found)[1])
        # A save is handed over once the one before has ended.
        assert handed_over - 1 <= step <= handed_over + 1
        assert {n: set(v) for n, v in read_checkpoint(found).items()} == {n: {step} for n in "abcd"}
        assert read_payload(found) == str(step).encode()
        first = step + 1
    whole = [p[:-6] for p in os.listdir(tmp_path) if p.endswith(".index")]
    assert all(find_problem(str(tmp_path / p)) is None for p in whole)
    # Two are kept, and the last kill can have left a new one unlisted and an old one.
    assert len(whole) <= 4
