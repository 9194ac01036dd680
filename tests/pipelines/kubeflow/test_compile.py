"""A pipeline compiled to IR 2.1, and what is checked of it."""

import copy
import json

import pytest
import yaml
from google.protobuf import json_format
from helpers.pipeline_runs import make_config
from kfp.pipeline_spec import pipeline_spec_pb2

from tfx_tpu_estimator.pipelines.kubeflow import KubeflowConfig, StepResources, compile_kubeflow
from tfx_tpu_estimator.pipelines.kubeflow.validate import validate_job
from tfx_tpu_estimator.pipelines.pipeline import create_pipeline

EXECUTOR = "tfx_tpu_estimator.components.trainer.executor.Executor"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return create_pipeline(make_config(tmp_path_factory.mktemp("compiled")))


@pytest.fixture(scope="module")
def compiled(pipeline, tmp_path_factory):
    path = tmp_path_factory.mktemp("ir") / "small.json"
    config = KubeflowConfig(
        image="registry/all:1",
        images={"Trainer": "registry/trainer:1"},
        resources={"Trainer": StepResources(cpu_limit=8, memory_limit_gib=16)},
        display_name="Small one",
    )
    return compile_kubeflow(pipeline, config, str(path)), path


def find_executors(job):
    return job["pipelineSpec"]["deploymentSpec"]["executors"]


def test_what_is_written_is_what_kfp_reads(compiled, pipeline, tmp_path):
    job, path = compiled
    assert json.loads(path.read_text()) == job
    parsed = json_format.ParseDict(job, pipeline_spec_pb2.PipelineJob())
    assert parsed.display_name == "Small one"
    compile_kubeflow(pipeline, KubeflowConfig(image="a"), str(tmp_path / "small.yaml"))
    spec = json_format.ParseDict(
        yaml.safe_load((tmp_path / "small.yaml").read_text()), pipeline_spec_pb2.PipelineSpec()
    )
    assert spec.schema_version == "2.1.0"
    assert spec.default_pipeline_root.endswith("artifacts")
    assert [p.name for p in tmp_path.iterdir()] == ["small.yaml"]


def test_images_and_resources_reach_their_steps(compiled):
    executors = find_executors(compiled[0])
    trainer = executors["Trainer_executor"]["container"]
    assert trainer["image"] == "registry/trainer:1"
    assert trainer["resources"]["cpuLimit"] == 8
    assert trainer["resources"]["memoryLimit"] == pytest.approx(16 * 2**30 / 1e9)
    assert executors["Pusher_executor"]["container"]["image"] == "registry/all:1"
    assert EXECUTOR in trainer["args"]


def test_variables_reach_every_container(pipeline):
    config = KubeflowConfig(image="a", environment={"MODE": "test"})
    containers = [
        executor["container"]
        for executor in find_executors(compile_kubeflow(pipeline, config)).values()
        if "container" in executor
    ]
    assert len(containers) > 3
    for container in containers:
        assert {e["name"]: e["value"] for e in container["env"]} == {
            "MODE": "test",
            "TF_ENABLE_ONEDNN_OPTS": "0",
        }


def test_each_task_has_its_name(compiled):
    tasks = compiled[0]["pipelineSpec"]["root"]["dag"]["tasks"]
    assert all(task["taskInfo"]["name"] == name for name, task in tasks.items())


def change_image(job):
    del find_executors(job)["Trainer_executor"]["container"]["image"]


def change_class(job):
    arguments = find_executors(job)["Trainer_executor"]["container"]["args"]
    arguments[arguments.index(EXECUTOR)] = "no_such_module.Executor"


def change_main(job):
    arguments = find_executors(job)["Trainer_executor"]["container"]["args"]
    arguments[arguments.index(EXECUTOR)] = "__main__.Executor"


def change_producer(job):
    task = job["pipelineSpec"]["root"]["dag"]["tasks"]["Evaluator"]
    task["inputs"]["artifacts"]["model"]["taskOutputArtifact"]["producerTask"] = "Trainr"


def change_output(job):
    task = job["pipelineSpec"]["root"]["dag"]["tasks"]["Evaluator"]
    task["inputs"]["artifacts"]["model"]["taskOutputArtifact"]["outputArtifactKey"] = "modl"


def change_version(job):
    job["pipelineSpec"]["schemaVersion"] = "2.0.0"


def change_field(job):
    job["pipelineSpec"]["nonsense"] = 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_image, "`Trainer_executor` has no image"),
        (change_class, "'no_such_module.Executor'.*cannot be imported.*installed in the image"),
        (change_main, "defined in the script that was run"),
        (change_producer, "Input `model` of task `Evaluator` comes from no task: 'Trainr'"),
        (change_output, "is the output 'modl' of `Trainer`, which gives model, model_run"),
        (change_version, "schema version '2.0.0'; newer versions of kfp read 2.1.0 only"),
        (change_field, "no PipelineJob of kfp: .*nonsense"),
    ],
)
def test_what_could_not_run_is_an_error(compiled, change, message):
    job = copy.deepcopy(compiled[0])
    change(job)
    with pytest.raises(ValueError, match=message):
        validate_job(job)


def test_a_file_of_another_kind(pipeline):
    with pytest.raises(ValueError, match=r"must end in \.json, \.yaml or \.yml"):
        compile_kubeflow(pipeline, KubeflowConfig(image="a"), "pipeline.txt")
