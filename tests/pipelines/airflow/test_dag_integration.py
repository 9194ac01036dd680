"""The small pipeline through a real Airflow, as `airflow dags test` runs it on SQLite."""

import os
import sys
import textwrap

import pytest
from helpers import airflow_runs, pipeline_runs

from tfx_tpu_estimator.pipelines.airflow import AirflowConfig, write_dag
from tfx_tpu_estimator.pipelines.lineage.finding import find_model
from tfx_tpu_estimator.pipelines.lineage.mlmd_store import MetadataLineage
from tfx_tpu_estimator.pipelines.lineage.recorded_run import read_recorded_run
from tfx_tpu_estimator.pipelines.lineage.retraining import retrain
from tfx_tpu_estimator.pipelines.report import read_latest_run

# Airflow's processes load TFX anew, and migrate a database first.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

PIPELINE = """
import sys

sys.path[:0] = {paths}
from helpers import pipeline_runs


def make_config(directory):
    # Text that Airflow would take for a template, had it not been told otherwise.
    return pipeline_runs.make_config(directory, custom_config={{"text": "{{{{ ds }}}}"}})
"""


def test_airflow_makes_the_model_of_the_local_runner(tmp_path):
    file = tmp_path / "small_pipeline.py"
    file.write_text(textwrap.dedent(PIPELINE.format(paths=sys.path)))
    custom = {"custom_config": {"text": "{{ ds }}"}}
    local = pipeline_runs.run(pipeline_runs.make_config(tmp_path / "local", **custom))
    output = tmp_path / "airflow"
    write_dag(str(file), str(output), AirflowConfig(retries=1), str(tmp_path / "dags" / "small.py"))
    environment = airflow_runs.make_environment(tmp_path / "home", tmp_path / "dags")
    # TensorFlow is loaded here, with the kernels that it has chosen.
    environment["TF_ENABLE_ONEDNN_OPTS"] = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1")
    airflow_runs.call(["db", "migrate"], environment)
    said = airflow_runs.call(["dags", "test", "small"], environment)
    assert "state=success" in said
    report = read_latest_run(str(output / "metadata.sqlite"), "small")
    assert sorted(report.nodes) == sorted(local.nodes)
    assert report.nodes["Trainer"] == "COMPLETE"
    assert report.artifacts["Model"]["model_digest"] == local.artifacts["Model"]["model_digest"]
    assert report.artifacts["ModelBlessing"]["blessed"] == 1
    pushed = report.artifacts["PushedModel"]
    assert pushed["pushed_digest"] == report.artifacts["Model"]["model_digest"]
    assert os.path.exists(os.path.join(pushed["pushed_destination"], "saved_model.pb"))
    _check_later_runs(environment, output, report)
    store = MetadataLineage(str(output / "metadata.sqlite"))
    run = read_recorded_run(
        store, find_model(store, report.artifacts["PushedModel"]["pushed_destination"])
    )
    assert retrain(run, str(tmp_path / "again")).identical


def _check_later_runs(environment, output, first):
    """The second run's baseline is its own model; by the third nothing is new."""
    for states in (("CACHED", "COMPLETE"), ("CACHED", "CACHED")):
        assert "state=success" in airflow_runs.call(["dags", "test", "small"], environment)
        report = read_latest_run(str(output / "metadata.sqlite"), "small")
        assert (report.nodes["Trainer"], report.nodes["Evaluator"]) == states
        assert report.artifacts["ModelBlessing"]["blessed"] == 1
        for kind, key in (("Model", "model_digest"), ("PushedModel", "pushed_version")):
            assert report.artifacts[kind][key] == first.artifacts[kind][key]
    assert len([n for n in os.listdir(output / "pushed") if n.isdigit()]) == 1
