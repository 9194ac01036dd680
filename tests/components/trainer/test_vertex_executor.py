"""The command that a CustomJob of Vertex AI would be given, run here as a process."""

import subprocess
import sys

import pytest
from helpers.trainer_runs import TrainerRun
from tfx.extensions.google_cloud_ai_platform import runner, training_clients

from tfx_tpu_estimator.components.trainer.vertex_executor import Executor
from tfx_tpu_estimator.pipelines.kubeflow import VertexTPUJob

JOB = VertexTPUJob(project="my-project", region="us-west1", image="a", tpu="v5e:2x4")


def read_properties(artifact):
    return {k: str(v) for k, v in artifact.mlmd_artifact.custom_properties.items()}


@pytest.mark.slow
def test_the_step_ends_with_what_the_trainer_itself_would_give(tmp_path, monkeypatch):
    def launch(project, training_job, enable_vertex, vertex_region):
        container = training_job["job_spec"]["worker_pool_specs"][0]["container_spec"]
        subprocess.run([sys.executable, *container["command"][1:]], check=True)

    monkeypatch.setattr(runner, "_launch_cloud_training", launch)
    monkeypatch.setattr(training_clients.VertexJobClient, "create_client", lambda self: None)
    here = TrainerRun(tmp_path / "here")
    wanted = [read_properties(artifact) for artifact in here.run()]
    there = TrainerRun(tmp_path / "there")
    there.custom_config = JOB.to_custom_config()
    monkeypatch.setattr("helpers.trainer_runs.Executor", Executor)
    found = [read_properties(artifact) for artifact in there.run()]
    for own, other in zip(wanted, found, strict=True):
        assert set(own) == set(other)
        for key in ("global_step", "model_digest", "metric/accuracy", "code_digest", "seed"):
            assert own[key] == other[key]
