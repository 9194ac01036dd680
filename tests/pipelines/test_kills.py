"""A pipeline killed in each of its nodes in turn ends with the model of an undisturbed run."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest
from helpers import pipeline_runs

from tfx_tpu_estimator.compile_check import compiler
from tfx_tpu_estimator.components import TPUValidatorOptions

# A process for each kill, and each loads TFX.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]

SCRIPT = """
import logging, sys
sys.path[:0] = {path!r}
logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format="%(message)s")
logging.getLogger("tfx_tpu_estimator.pipelines").setLevel(logging.INFO)
from helpers.pipeline_runs import make_config
from tfx_tpu_estimator.components import TPUValidatorOptions
from tfx_tpu_estimator.pipelines.local_dag import run_local
from tfx_tpu_estimator.pipelines.pipeline import create_pipeline
validator = TPUValidatorOptions(**{validator!r}) if {validator!r} else None
run_local(create_pipeline(make_config({folder!r}, validator=validator)))
"""
# Each node, and how long after it began it is killed. The short ones are over within a tenth of a
# second.
KILLED = {
    "ImportExampleGen": 0.3,
    "ImportSchemaGen": 0.01,
    "latest_blessed_model": 0.02,
    "Trainer": 1.5,
    "Evaluator": 0.5,
    "TPUValidator": 1.0,
    "Pusher": 0.05,
}


@pytest.fixture(scope="module")
def validator(tmp_path_factory):
    """Options of the TPUValidator, as a dict; None where there is no TPU compiler."""
    try:
        compiler.describe_compiler()
    except compiler.CompilerMissingError:
        return None
    cache = tmp_path_factory.mktemp("compiled")
    return {"topology": "v5e:2x2", "cache_dir": str(cache)}


def run_until(folder, node, delay, validator):
    """Runs the pipeline; kills it so long after `node` began. Returns the exit code."""
    script = textwrap.dedent(SCRIPT).format(path=sys.path, folder=str(folder), validator=validator)
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said = []
    with process:
        for line in process.stdout:
            said.append(line)
            if line.rstrip().endswith(f"] {node} ..."):
                try:
                    process.wait(delay)
                except subprocess.TimeoutExpired:
                    os.kill(process.pid, signal.SIGKILL)
                break
        said.append(process.stdout.read())
    assert process.returncode == -signal.SIGKILL, f"{node}:\n{''.join(said)}"
    assert f"] {node} done" not in "".join(said)


def list_versions(config):
    return [name for name in os.listdir(config.push_dir) if name.isdigit()]


def test_a_pipeline_killed_in_each_node_ends_as_if_it_had_not_been(tmp_path, validator):
    options = TPUValidatorOptions(**validator) if validator else None
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole = pipeline_runs.run(pipeline_runs.make_config(tmp_path / "whole", validator=options))
    nodes = [node for node in KILLED if node in whole.nodes]
    assert sorted(nodes) == sorted(whole.nodes)
    for node in nodes:
        run_until(tmp_path / "killed", node, KILLED[node], validator)
    config = pipeline_runs.make_config(tmp_path / "killed", validator=options)
    ended = pipeline_runs.run(config)
    digest = whole.artifacts["Model"]["model_digest"]
    assert ended.artifacts["Model"]["model_digest"] == digest
    assert ended.artifacts["PushedModel"]["pushed_digest"] == digest
    versions = list_versions(config)
    assert versions == [ended.artifacts["PushedModel"]["pushed_version"]]
    again = pipeline_runs.run(config)
    assert again.artifacts["Model"]["model_digest"] == digest
    assert list_versions(config) == versions
