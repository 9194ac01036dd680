"""`tfx-tpu-estimator compile` on module files, with the compiler where one is needed."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap

import pytest
from click.testing import CliRunner
from helpers.needs import needs_libtpu

from tfx_tpu_estimator.cli import main

pytestmark = needs_libtpu

MODEL = """
    import tensorflow.compat.v1 as tf
    from tfx_tpu_estimator import ModeKeys, TPUEstimatorSpec

    print("printed by the module")

    def model_fn(features, labels, mode, params):
        h = features["x"]
        for n in range({layers}):
            h = tf.layers.dense(h, 128, activation=tf.nn.relu, name="hidden_%d" % n)
        predictions = tf.squeeze(tf.layers.dense(h, 1), axis=1)
        if mode == ModeKeys.PREDICT:
            return TPUEstimatorSpec(mode, predictions={{"y": predictions}})
        loss = tf.losses.mean_squared_error(labels, predictions)
        if mode == ModeKeys.EVAL:
            return TPUEstimatorSpec(mode, loss=loss)
        optimizer = tf.tpu.CrossShardOptimizer(tf.train.AdamOptimizer(0.1))
        train_op = optimizer.minimize(loss, tf.train.get_global_step())
        return TPUEstimatorSpec(mode, loss=loss, train_op=train_op)

    def train_input_fn(params):
        size = params["batch_size"]
        features = {{"x": tf.zeros([size, 8])}}
        return tf.data.Dataset.from_tensors((features, tf.zeros([size]))).repeat()
"""


def write(tmp_path, source):
    path = tmp_path / "model.py"
    path.write_text(textwrap.dedent(source))
    return str(path)


def invoke(path, cache, *args):
    command = ["compile", path, "-t", "v5e:2x2", "--cache-dir", str(cache), *args]
    return CliRunner().invoke(main, command)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (None, "is not a file; give the path of a Python file"),
        ("def train_input_fn(params): ...", "lacks `model_fn`; it has train_input_fn"),
        ("x = 1\ny = 1 / 0\n", "ZeroDivisionError: division by zero (line 2: y = 1 / 0)"),
        ("def model_fn(features", "cannot be imported: SyntaxError"),
        ("import no_such_module_here", "No module named 'no_such_module_here' (line 1"),
        ("def model_fn(features, labels, mode, params): ...", "There is no program to compile"),
        ("def model_fn(features, labels, mode, params): ...", "by `--schema` and `--label-key`."),
    ],
)
def test_modules_that_cannot_be_used(tmp_path, source, text):
    path = str(tmp_path / "none.py") if source is None else write(tmp_path, source)
    result = invoke(path, tmp_path / "cache", "-q")
    assert result.exit_code == 2, result.output
    assert text in result.stderr


def test_a_batch_that_cannot_be_divided_is_told_without_compiling(tmp_path):
    path = write(tmp_path, MODEL.format(layers=1))
    result = invoke(path, tmp_path / "cache", "--train-batch-size", "30", "-p", "train")
    assert result.exit_code == 1
    assert "train batch size 30 must be divisible by number of replicas 4" in result.stdout
    assert "before compiling" in result.stdout
    assert "printed by the module" not in result.stdout


def start(path, cache, *args):
    command = [sys.executable, "-m", "tfx_tpu_estimator.cli", "compile", path, "-t", "v5e:2x2",
               "--cache-dir", str(cache), *args]  # fmt: skip
    # Its own lock: another compile on this machine is not waited for.
    environ = {**os.environ, "TMPDIR": str(cache.parent)}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environ)


def wait_for(process, text):
    for line in process.stderr:
        if text in line:
            return
    raise AssertionError(f"{text!r} was never said")


def list_compilers(parent):
    """The compiler processes whose parent is `parent`."""
    done = subprocess.run(
        ["ps", "-ewwo", "pid,ppid,args"], capture_output=True, text=True, check=True
    )
    rows = [line.split(None, 2) for line in done.stdout.splitlines()[1:]]
    return [int(pid) for pid, ppid, args in rows if int(ppid) == parent and "child" in args]


@pytest.mark.slow
def test_an_interrupted_run_goes_on_from_its_cache(tmp_path):
    path, cache = write(tmp_path, MODEL.format(layers=12)), tmp_path / "cache"
    first = start(path, cache)
    wait_for(first, "train on v5e:2x2: compiling")
    while not (compilers := list_compilers(first.pid)):
        assert first.poll() is None, first.communicate()
    first.send_signal(signal.SIGINT)
    _, said = first.communicate()
    assert first.returncode == 130, said
    assert "the same command goes on from there" in said.replace("\n", " ")
    assert all(not os.path.exists(f"/proc/{pid}") for pid in compilers)

    page = tmp_path / "report.html"
    second = start(path, cache, "-o", str(page))
    printed, said = second.communicate()
    assert (second.returncode, printed) == (0, ""), said
    assert "All 1 programs" not in said
    assert "The program compiles for v5e:2x2 and fits." in said
    assert re.search(r"Program <code>[0-9a-f]{16}</code>", page.read_text())

    third = start(path, cache, "--output", "json", "-q")
    printed, said = third.communicate()
    (program,) = json.loads(printed)["programs"]
    assert (program["status"], program["cached"]) == ("fits", True), said
    assert program["argument_bytes"] > 0
