"""A component tried again within one run of Airflow, with TFX's own record of it."""

import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.components.base import base_driver
from tfx.orchestration import data_types, metadata
from tfx.types import Channel, standard_artifacts

from tfx_tpu_estimator.pipelines.airflow.tries import make_driver, set_aside
from tfx_tpu_estimator.pipelines.metadata_store import connect, read_connection
from tfx_tpu_estimator.pipelines.report import read_latest_run

RUN = data_types.PipelineInfo(pipeline_name="small", pipeline_root="/r", run_id="run1")
TRAINER = data_types.ComponentInfo(
    component_type="Trainer", component_id="Trainer", pipeline_info=RUN
)
IMPORTER = data_types.ComponentInfo(
    component_type="Importer", component_id="Importer", pipeline_info=RUN
)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "metadata.sqlite")


def register(path, component, inputs=None):
    with metadata.Metadata(read_connection(path)) as store:
        contexts = store.register_pipeline_contexts_if_not_exists(RUN)
        return store.register_execution(
            pipeline_info=RUN, component_info=component, contexts=contexts, input_artifacts=inputs
        )


def publish(path, component, uri):
    model = standard_artifacts.Model()
    model.uri = uri
    with metadata.Metadata(read_connection(path)) as store:
        store.publish_execution(component, output_artifacts={"model": [model]})


def find_model(path):
    with metadata.Metadata(read_connection(path)) as store:
        return [a.uri for a in store.search_artifacts("model", RUN, "Trainer")]


def try_trainer(path):
    examples = standard_artifacts.Examples()
    examples.uri = "/examples"
    with metadata.Metadata(read_connection(path)) as store:
        found = list(store.store.get_artifacts_by_uri("/examples"))
    if found:
        examples.set_mlmd_artifact(found[0])
    return register(path, TRAINER, {"examples": [examples]})


def test_without_a_record_nothing_is_done(path):
    set_aside(connect(path), TRAINER.component_run_context_name)
    register(path, IMPORTER)
    set_aside(connect(path), TRAINER.component_run_context_name)
    assert list(read_latest_run(path, "small").nodes) == ["Importer"]


def test_a_killed_try_is_followed_by_others(path):
    executions = [try_trainer(path).id]
    with pytest.raises(Exception, match="already exists"):
        try_trainer(path)
    for _ in range(2):
        set_aside(connect(path), TRAINER.component_run_context_name)
        executions.append(try_trainer(path).id)
    assert len(set(executions)) == 3
    publish(path, TRAINER, "/model/3")
    assert find_model(path) == ["/model/3"]
    assert read_latest_run(path, "small").nodes == {"Trainer": "COMPLETE"}
    first, second, third = connect(path).get_executions_by_id(sorted(executions))
    assert first.last_known_state == metadata_store_pb2.Execution.FAILED
    assert second.last_known_state == metadata_store_pb2.Execution.FAILED
    assert third.last_known_state == metadata_store_pb2.Execution.COMPLETE


def test_outputs_of_the_same_name(path, tmp_path):
    run = data_types.PipelineInfo("small", str(tmp_path / "root"), run_id="run1")
    trainer = data_types.ComponentInfo("Trainer", "Trainer", run)
    outputs = {"model": Channel(type=standard_artifacts.Model)}

    def drive():
        with metadata.Metadata(read_connection(path)) as store:
            return make_driver(base_driver.BaseDriver)(store).pre_execution(
                input_dict={},
                output_dict=outputs,
                exec_properties={},
                driver_args=data_types.DriverArgs(enable_cache=False),
                pipeline_info=run,
                component_info=trainer,
            )

    drive()
    for number in (2, 3):
        set_aside(connect(path), trainer.component_run_context_name)
        decision = drive()
        assert decision.execution_id == number
        assert decision.output_dict["model"][0].uri.endswith(f"model/{number}")
    with metadata.Metadata(read_connection(path)) as store:
        store.publish_execution(trainer, output_artifacts=decision.output_dict)
    (found,) = find_model(path)
    assert found.endswith("model/3")


def test_a_finished_task_that_is_cleared_runs_anew(path):
    try_trainer(path)
    publish(path, TRAINER, "/model/1")
    set_aside(connect(path), TRAINER.component_run_context_name)
    second = try_trainer(path)
    publish(path, TRAINER, "/model/2")
    assert find_model(path) == ["/model/2"]
    states = [e.last_known_state for e in connect(path).get_executions()]
    assert states == [metadata_store_pb2.Execution.COMPLETE] * 2
    assert second.id == 2
