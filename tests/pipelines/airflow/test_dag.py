"""A pipeline as a DAG, and the files for Airflow's DAG folder."""

import ast
import datetime
import os
import sys

import pytest
from helpers.pipeline_runs import make_config

from tfx_tpu_estimator.pipelines.airflow import AirflowConfig, write_command_dag, write_dag
from tfx_tpu_estimator.pipelines.pipeline import create_pipeline

NODES = [
    "ImportExampleGen", "ImportSchemaGen", "latest_blessed_model", "Trainer", "Evaluator", "Pusher",
]  # fmt: skip
PIPELINE = """
from helpers import pipeline_runs


def make_config(directory):
    return pipeline_runs.make_config(directory, custom_config={"text": "{{ ds }}"})
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Airflow as a library, with its files out of the way; it reads its settings when imported."""
    folder = tmp_path_factory.mktemp("airflow")
    patch = pytest.MonkeyPatch()
    patch.setenv("AIRFLOW_HOME", str(folder))
    patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    patch.setenv("AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT", "600")
    # A DAG file sets it for its own process, which here is that of the tests.
    patch.setenv("TF_ENABLE_ONEDNN_OPTS", os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1"))
    yield folder
    patch.undo()


@pytest.fixture(scope="module")
def pipeline_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("pipeline") / "small_pipeline.py"
    path.write_text(PIPELINE)
    return path


def read_dags(folder):
    from airflow.models.dagbag import DagBag

    bag = DagBag(str(folder), include_examples=False, read_dags_from_db=False)
    assert not bag.import_errors
    return bag.dags


@pytest.fixture(scope="module")
def dag(home, pipeline_file, tmp_path_factory):
    """The DAG that Airflow finds in the file that was written for it."""
    folder = tmp_path_factory.mktemp("dags")
    config = AirflowConfig(
        schedule="@daily", start_date="2025-03-01", retries=2, timeout_minutes=90, tags=["a", "b"],
        description='Says "so".', queues={"Trainer": "tpu"}, pools={"Evaluator": "beam"},
    )  # fmt: skip
    write_dag(str(pipeline_file), str(folder / "out"), config, str(folder / "small.py"))
    return read_dags(folder)["small"]


def test_nodes_are_tasks_in_their_order(dag):
    assert sorted(dag.task_ids) == sorted(NODES)
    assert dag.get_task("Trainer").upstream_task_ids == {"ImportExampleGen", "ImportSchemaGen"}
    assert dag.get_task("Pusher").upstream_task_ids == {"Trainer", "Evaluator"}


def test_settings_reach_airflow(dag):
    assert dag.schedule_interval == "@daily"
    assert dag.start_date == datetime.datetime(2025, 3, 1, tzinfo=datetime.timezone.utc)
    assert sorted(dag.tags) == ["a", "b"]
    assert dag.description == 'Says "so".'
    assert (dag.catchup, dag.max_active_runs) == (False, 1)
    trainer, evaluator = dag.get_task("Trainer"), dag.get_task("Evaluator")
    assert (trainer.queue, trainer.pool) == ("tpu", "default_pool")
    assert (evaluator.queue, evaluator.pool) == ("default", "beam")
    assert trainer.retries == 2
    assert trainer.execution_timeout == datetime.timedelta(minutes=90)


def test_sqlite_has_one_writer(dag):
    assert dag.max_active_tasks == 1


def test_a_server_has_several(home, tmp_path):
    from tfx_tpu_estimator.pipelines.airflow import create_dag

    config = make_config(tmp_path, metadata_path="postgresql://u@127.0.0.1/none")
    assert create_dag(create_pipeline(config)).max_active_tasks > 1


def test_braces_in_properties_are_no_templates(dag):
    trainer = dag.get_task("Trainer")
    properties = trainer.render_template(trainer.op_kwargs, {"ds": "2025-03-01"})
    assert "{{ ds }}" in properties["exec_properties"]["custom_config"]


def test_a_store_that_only_a_cluster_has(home, tmp_path):
    from tfx_tpu_estimator.pipelines.airflow import create_dag

    pipeline = create_pipeline(make_config(tmp_path, metadata_path="gs://bucket/metadata"))
    with pytest.raises(ValueError, match=r"tasks need an ML Metadata that they can open"):
        create_dag(pipeline)


def test_commands_run_node_by_node(home, pipeline_file, tmp_path):
    pipeline = create_pipeline(make_config(tmp_path / "made"))
    config = AirflowConfig(schedule="0 3 * * *", retries=1, tags=["a"], queues={"Trainer": "tpu"})
    path = tmp_path / "dags" / "small.py"
    arguments = (str(pipeline_file), str(tmp_path / "my out"), pipeline, config, str(path))
    write_command_dag(*arguments, command="/opt/tfx/bin/tfx-tpu-estimator")
    dag = read_dags(path.parent)["small"]
    trainer = dag.get_task("Trainer")
    assert trainer.bash_command == (
        f"/opt/tfx/bin/tfx-tpu-estimator pipeline run {pipeline_file} "
        f"--output '{tmp_path}/my out' --from Trainer --to Trainer"
    )
    assert trainer.upstream_task_ids == {"ImportExampleGen", "ImportSchemaGen"}
    assert (trainer.queue, trainer.retries) == ("tpu", 1)
    assert dag.get_task("Pusher").queue == "default"
    assert (dag.max_active_tasks, dag.max_active_runs) == (1, 1)
    assert str(dag.start_date).startswith("2024-01-01")


def test_a_file_of_commands_imports_airflow_alone(pipeline_file, tmp_path):
    pipeline = create_pipeline(make_config(tmp_path / "made"))
    path = tmp_path / "small.py"
    write_command_dag(str(pipeline_file), "out", pipeline, AirflowConfig(), str(path))
    tree = ast.parse(path.read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {n.names[0].name for n in ast.walk(tree) if isinstance(n, ast.Import)}
    assert {m.split(".")[0] for m in modules} == {"airflow", "datetime", "shlex"}
    command = os.path.join(os.path.dirname(sys.executable), "tfx-tpu-estimator")
    assert f'COMMAND = "{command}"' in path.read_text()


def test_what_no_file_can_be_written_for(pipeline_file, tmp_path):
    pipeline = create_pipeline(make_config(tmp_path / "made"))
    file, output = str(pipeline_file), str(tmp_path / "small.py")
    with pytest.raises(ValueError, match=r"`output_file` must end in \.py, got 'a\.yaml'"):
        write_dag(file, "out", AirflowConfig(), "a.yaml")
    with pytest.raises(ValueError, match=r"is the pipeline's own file"):
        write_dag(file, "out", AirflowConfig(), file)
    with pytest.raises(ValueError, match=r"path of the output.*has '\{\{'.*template"):
        write_command_dag(file, "{{ ds }}", pipeline, AirflowConfig(), output)
    with pytest.raises(ValueError, match=r"`max_active_tasks` must be 1 where tasks are commands"):
        write_command_dag(file, "out", pipeline, AirflowConfig(max_active_tasks=4), output)
    config = AirflowConfig(pools={"Evaluater": "beam"})
    with pytest.raises(ValueError, match=r"`pools` has 'Evaluater'.*Did you mean 'Evaluator'"):
        write_command_dag(file, "out", pipeline, config, output)
    assert not os.path.exists(output)
