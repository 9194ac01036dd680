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
import logging, os, signal, sys
sys.path[:0] = {path!r}
logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")


class Killer(logging.Handler):
    began = False

    def emit(self, record):
        said = record.getMessage()
        self.began = self.began or said.endswith("] {node} ...")
        if self.began and said.startswith({message!r}):
            os.kill(os.getpid(), signal.SIGKILL)


logging.getLogger().addHandler(Killer())
from helpers.pipeline_runs import make_config
from tfx_tpu_estimator.components import TPUValidatorOptions
from tfx_tpu_estimator.pipelines.local_dag import run_local
from tfx_tpu_estimator.pipelines.pipeline import create_pipeline
validator = TPUValidatorOptions(**{validator!r}) if {validator!r} else None
run_local(create_pipeline(make_config({folder!r}, validator=validator)))
"""
# Of each node, what is said within it when it is killed: at the start of the resolver; amid the
# long ones, when one split of the examples is there, the model is written and not in its place, or
# some metrics are known; and of the others when the work is done and not recorded yet.
KILLED = {
    "ImportExampleGen": "Renamed 1 shards",
    "ImportSchemaGen": "Copied a schema file",
    "latest_blessed_model": "Running as an resolver node",
    "Trainer": "SavedModel written to: ",
    "Evaluator": "Metrics of split ",
    "TPUValidator": "Cleaning up stateless execution info",
    "Pusher": "Cleaning up stateless execution info",
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


def run_until(folder, node, validator):
    """Runs the pipeline until it is killed within `node`."""
    script = textwrap.dedent(SCRIPT).format(
        path=sys.path,
        folder=str(folder),
        validator=validator,
        node=node,
        message=KILLED[node],
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == -signal.SIGKILL, f"{node}:\n{run.stdout[-6000:]}"
    assert f"] {node} ...\n" in run.stdout
    assert f"] {node} done" not in run.stdout


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
        run_until(tmp_path / "killed", node, validator)
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
