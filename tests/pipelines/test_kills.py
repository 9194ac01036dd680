"""A pipeline killed in each of its nodes in turn ends with the model of an undisturbed run."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest
from helpers import pipeline_runs

# A process for each kill, and each loads TFX.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SCRIPT = """
import logging, sys
sys.path[:0] = {path!r}
logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format="%(message)s")
logging.getLogger("tfx_tpu_estimator.pipelines").setLevel(logging.INFO)
from helpers.pipeline_runs import make_config
from tfx_tpu_estimator.pipelines.local_dag import run_local
from tfx_tpu_estimator.pipelines.pipeline import create_pipeline
run_local(create_pipeline(make_config({folder!r}, **{changes!r})))
"""
KILLED = ["ImportExampleGen", "Trainer", "Evaluator", "Pusher"]


def run_until(folder, node, delay, **changes):
    """Runs the pipeline; kills it so long after `node` began. Returns the exit code."""
    script = textwrap.dedent(SCRIPT).format(path=sys.path, folder=str(folder), changes=changes)
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    with process:
        for line in process.stdout:
            if node is not None and line.rstrip().endswith(f"] {node} ..."):
                try:
                    process.wait(delay)
                except subprocess.TimeoutExpired:
                    os.kill(process.pid, signal.SIGKILL)
                break
        process.stdout.read()
    return process.returncode


def test_a_pipeline_killed_in_each_node_ends_as_if_it_had_not_been(tmp_path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole = pipeline_runs.run(pipeline_runs.make_config(tmp_path / "whole"))
    for node, delay in zip(KILLED, (0.3, 1.5, 0.5, 0.05), strict=True):
        assert run_until(tmp_path / "killed", node, delay) == -signal.SIGKILL, node
    config = pipeline_runs.make_config(tmp_path / "killed")
    ended = pipeline_runs.run(config)
    digest = whole.artifacts["Model"]["model_digest"]
    assert ended.artifacts["Model"]["model_digest"] == digest
    assert ended.artifacts["PushedModel"]["pushed_digest"] == digest
    versions = [name for name in os.listdir(config.push_dir) if name.isdigit()]
    assert versions == [ended.artifacts["PushedModel"]["pushed_version"]]
    again = pipeline_runs.run(config)
    assert again.artifacts["Model"]["model_digest"] == digest
    assert [name for name in os.listdir(config.push_dir) if name.isdigit()] == versions
