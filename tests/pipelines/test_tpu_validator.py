"""A pipeline with a TPUValidator: locally for real, and as Kubeflow Pipelines gets it."""

import json

import pytest
from helpers.needs import needs_libtpu
from helpers.pipeline_runs import make_config, run
from tfx.types import standard_artifacts
from tfx.utils import import_utils

from tfx_tpu_estimator.components import TPUValidatorOptions
from tfx_tpu_estimator.components.tpu_validator.executor import Executor
from tfx_tpu_estimator.pipelines.kubeflow import KubeflowConfig, compile_kubeflow
from tfx_tpu_estimator.pipelines.pipeline import create_pipeline

pytestmark = needs_libtpu


@pytest.fixture
def config(tmp_path):
    options = TPUValidatorOptions(topology="v5e:2x2", cache_dir=str(tmp_path / "compiled"))
    return make_config(tmp_path, validator=options)


def test_a_model_is_checked_before_it_is_pushed(config):
    report = run(config)
    nodes = list(report.nodes)
    assert nodes.index("TPUValidator") < nodes.index("Pusher")
    blessing = report.artifacts["InfraBlessing"]
    assert blessing["blessed"] == 1, blessing["reason"]
    assert blessing["model_digest"] == report.artifacts["Model"]["model_digest"]
    assert report.artifacts["PushedModel"]["pushed"] == 1


def test_kubeflow_gets_a_step_with_standard_artifacts(config):
    pipeline = create_pipeline(config)
    job = compile_kubeflow(pipeline, KubeflowConfig(image="registry/image:1"))
    spec = job["pipelineSpec"]
    component = spec["components"]["TPUValidator"]
    label = component["executorLabel"]
    command = spec["deploymentSpec"]["executors"][label]["container"]["args"]
    path = command[command.index("--executor_class_path") + 1]
    assert import_utils.import_class_by_path(path) is Executor
    output = component["outputDefinitions"]["artifacts"]["blessing"]["artifactType"]
    assert standard_artifacts.InfraBlessing.TYPE_NAME in json.dumps(output)
    inputs = component["inputDefinitions"]["artifacts"]
    assert sorted(inputs) == ["examples", "model"]
    tasks = spec["root"]["dag"]["tasks"]
    assert "TPUValidator" in tasks["Pusher"]["dependentTasks"]
    read = tasks["Pusher"]["inputs"]["artifacts"]["infra_blessing"]["taskOutputArtifact"]
    assert read["producerTask"] == "TPUValidator"
    # Kubeflow knows no driver but that of ExampleGens: the step must not ask for one.
    assert "lifecycle" not in spec["deploymentSpec"]["executors"][label]["container"]
