"""The Trainer as a CustomJob of Vertex AI: settings, IR, and what the job is asked for."""

import json

import pytest
from google.cloud.aiplatform_v1.types import CustomJob, CustomJobSpec
from helpers.pipeline_runs import make_config
from tfx.extensions.google_cloud_ai_platform import constants as tfx_constants
from tfx.extensions.google_cloud_ai_platform import training_clients
from tfx.extensions.google_cloud_ai_platform.trainer import executor as tfx_executor
from tfx.types import standard_artifacts
from tfx.utils import json_utils

from tfx_tpu_estimator.components import constants
from tfx_tpu_estimator.components.trainer.executor import Executor as TrainingExecutor
from tfx_tpu_estimator.components.trainer.inputs import _read_custom_config
from tfx_tpu_estimator.components.trainer.vertex_executor import Executor, restore_properties
from tfx_tpu_estimator.pipelines.kubeflow import (
    KubeflowConfig,
    VertexTPUJob,
    compile_kubeflow,
    train_on_vertex,
)
from tfx_tpu_estimator.pipelines.pipeline import create_pipeline
from tfx_tpu_estimator.pipelines.tpu_shapes import VERTEX_SHAPES

PLACE = {"project": "my-project", "region": "us-west1", "image": "registry/all:1"}
EXECUTOR = "tfx_tpu_estimator.components.trainer.vertex_executor.Executor"


def make_job(**changes):
    return VertexTPUJob(**{**PLACE, "tpu": "v5e:2x4", **changes})


@pytest.fixture
def pipeline(tmp_path):
    return create_pipeline(make_config(tmp_path, custom_config={"depth": 3}))


def find_trainer(pipeline):
    return next(c for c in pipeline.components if c.id == "Trainer")


@pytest.mark.parametrize("shape", VERTEX_SHAPES, ids=lambda s: f"{s.name}-{s.machine_type}")
def test_every_slice_is_a_custom_job_of_the_api(shape):
    job = make_job(
        tpu=shape.name,
        machine_type=shape.machine_type,
        service_account="trainer@my-project.iam.gserviceaccount.com",
    )
    spec = CustomJobSpec(json.loads(json.dumps(job.to_custom_job_spec())))
    (pool,) = spec.worker_pool_specs
    assert pool.replica_count == 1
    assert pool.machine_spec.machine_type == shape.machine_type
    assert spec.service_account.startswith("trainer@")
    if shape.generation in ("v2", "v3"):
        assert pool.machine_spec.accelerator_type.name == f"TPU_{shape.generation.upper()}"
        assert pool.machine_spec.accelerator_count == 8
    else:
        assert pool.machine_spec.tpu_topology == shape.topology
        assert shape.chips == shape.hosts * int(shape.machine_type[-2])


def test_a_field_that_the_api_does_not_know_would_be_found():
    spec = make_job().to_custom_job_spec()
    spec["worker_pool_specs"][0]["machine_spec"]["topology"] = "2x4"
    with pytest.raises(ValueError, match="topology"):
        CustomJobSpec(spec)


def test_the_machine_of_fewest_hosts_is_taken():
    assert make_job().shape.machine_type == "ct5lp-hightpu-8t"
    assert make_job(machine_type="ct5lp-hightpu-4t").shape.hosts == 2


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"tpu": "v5e:4x5"}, ValueError, r"`tpu` must be one of .*v5e:4x4.* Did you mean 'v5e:"),
        ({"tpu": "v4:2x2x2"}, ValueError, "no v4 for custom training"),
        (
            {"machine_type": "ct6e-standard-8t"},
            ValueError,
            "one of ct5lp-hightpu-8t, ct5lp",
        ),
        ({"project": "My Project"}, ValueError, "`project` must be the id of a project"),
        ({"region": "us-west"}, ValueError, "`region` must be a region"),
        ({"image": ""}, ValueError, "`image` must be the name of a container image"),
        ({"service_account": "me"}, ValueError, "`service_account` must be an e-mail"),
        ({"labels": {"A b": "c"}}, ValueError, "`labels` must be"),
        ({"environment": {"MODE": 1}}, ValueError, "`environment` must be"),
        ({"image": 3}, TypeError, "`image` must be str"),
        ({"topology": "2x4"}, TypeError, "`topology` is not a VertexTPUJob field"),
    ],
)
def test_wrong_settings_are_named(changes, error, message):
    with pytest.raises(error, match=message):
        make_job(**changes)


def test_names_are_those_that_tfx_reads():
    assert constants.VERTEX_JOB_KEYS == (
        tfx_constants.ENABLE_VERTEX_KEY,
        tfx_constants.VERTEX_REGION_KEY,
        tfx_executor.TRAINING_ARGS_KEY,
    )


def test_the_pipeline_compiles_with_the_job(pipeline):
    train_on_vertex(find_trainer(pipeline), make_job(display_name="taxi"))
    job = compile_kubeflow(pipeline, KubeflowConfig(image="registry/all:1"))
    spec = job["pipelineSpec"]
    container = spec["deploymentSpec"]["executors"]["Trainer_executor"]["container"]
    assert EXECUTOR in container["args"]
    parameters = spec["root"]["dag"]["tasks"]["Trainer"]["inputs"]["parameters"]
    text = parameters["custom_config"]["runtimeValue"]["constant"]
    config = json_utils.loads(text)
    assert config["depth"] == 3
    assert config["ai_platform_enable_vertex"] is True
    assert config["ai_platform_training_args"]["project"] == "my-project"
    assert _read_custom_config({"custom_config": text}) == {"depth": 3}


def test_what_tfx_asks_vertex_for(pipeline, monkeypatch, tmp_path):
    """TFX's own client makes the request; nothing is sent."""
    trainer = train_on_vertex(find_trainer(pipeline), make_job(labels={"team": "a"}))
    sent = {}

    def launch(project, training_job, enable_vertex, vertex_region):
        sent.update(project=project, job=training_job, place=(enable_vertex, vertex_region))

    runner = "tfx.extensions.google_cloud_ai_platform.runner._launch_cloud_training"
    monkeypatch.setattr(runner, launch)
    monkeypatch.setattr(training_clients.VertexJobClient, "create_client", lambda self: None)
    model, run = standard_artifacts.Model(), standard_artifacts.ModelRun()
    model.uri, run.uri = str(tmp_path / "model"), str(tmp_path / "run")
    properties = dict(trainer.spec.exec_properties)
    properties = {k: v for k, v in properties.items() if isinstance(v, str)}
    with pytest.raises(RuntimeError, match="left no record of a run"):
        Executor().Do({}, {"model": [model], "model_run": [run]}, properties)
    assert (sent["project"], sent["place"]) == ("my-project", (True, "us-west1"))
    job = CustomJob(sent["job"])
    assert job.labels["team"] == "a"
    (pool,) = job.job_spec.worker_pool_specs
    command = list(pool.container_spec.command)
    assert command[:3] == ["python", "-m", "tfx.scripts.run_executor"]
    path = f"{TrainingExecutor.__module__}.{TrainingExecutor.__qualname__}"
    assert command[command.index("--executor_class_path") + 1] == path


def test_properties_come_back_from_the_record(tmp_path):
    folder = tmp_path / "Run"
    (folder / "module").mkdir(parents=True)
    (folder / "module" / "m.py").write_text("x = 1\n")
    data = {"train_files": ["a"], "eval_files": ["b"], "schema_path": None}
    record = {
        "format": 1,
        "form": "functions",
        "module": {"label": "m.py", "main": "m.py", "files": ["m.py"], "module_path": None},
        "options": {},
        "data": {**data, "data_format": "tfrecords_gzip", "payload_format": "FORMAT_TF_EXAMPLE"},
        "custom_config": {},
        "facts": {"global_step": 10, "model_digest": "abc", "params": {}, "metrics": {"loss": 0.5}},
    }
    (folder / "run.json").write_text(json.dumps(record))
    model, run = standard_artifacts.Model(), standard_artifacts.ModelRun()
    model.uri = str(tmp_path)
    restore_properties(model, run)
    for artifact in (model, run):
        assert artifact.get_int_custom_property("global_step") == 10
        assert artifact.get_string_custom_property("model_digest") == "abc"
        assert artifact.get_float_custom_property("metric/loss") == 0.5
        assert artifact.has_custom_property(constants.MODULE_SOURCE)


def test_several_hosts_are_refused(pipeline):
    message = r"has 4 hosts.*which of them.*one host \(v6e:1x1, v6e:2x2, v6e:2x4\).*jobset"
    with pytest.raises(ValueError, match=message):
        train_on_vertex(find_trainer(pipeline), make_job(tpu="v6e:4x4"))


def test_another_component_is_refused(pipeline):
    pusher = next(c for c in pipeline.components if c.id == "Pusher")
    with pytest.raises(TypeError, match="`trainer` must be"):
        train_on_vertex(pusher, make_job())
