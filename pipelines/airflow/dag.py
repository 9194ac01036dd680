"""A pipeline as a DAG of Airflow 2.10, through TFX's AirflowDagRunner."""

from __future__ import annotations

import datetime
import functools
from typing import Any

from airflow.models import dag as airflow_dag
from airflow.template.templater import LiteralValue
from tfx.orchestration import data_types
from tfx.orchestration import pipeline as tfx_pipeline
from tfx.orchestration.airflow import airflow_dag_runner

from .config import AirflowConfig
from .tries import launch, make_driver


def create_dag(
    pipeline: tfx_pipeline.Pipeline, config: AirflowConfig | None = None
) -> airflow_dag.DAG:
    """Makes the DAG that Airflow finds in a file of its DAG folder.

    Each node is a task of the same id. A task runs the node's driver, its executor and its
    publisher in one process of a worker, which needs this package and Airflow in one environment.

    Args:
      pipeline: Of `create_pipeline`, or any other of TFX. Its root and ML Metadata must be where
        all workers reach them.
      config: When it runs, and how tasks are treated; None for the defaults.

    Returns:
      The DAG, with the pipeline's name as its id.

    Raises:
      ValueError: A setting is for a component that is not there, or ML Metadata is in a place that
        only a cluster can open.

    Example:
      dag = create_dag(create_pipeline(load_config("taxi_pipeline.py", "out")), AirflowConfig())
    """
    config = config or AirflowConfig()
    config.check_ids([component.id for component in pipeline.components])
    connection = pipeline.metadata_connection_config
    if connection is None:
        raise ValueError(
            "Airflow's tasks need an ML Metadata that they can open: set `metadata_path` to the "
            "path of a SQLite file, or to postgresql://... or mysql://..."
        )
    fixed = {component.id: _find_fixed(component) for component in pipeline.components}
    for component in pipeline.components:
        component.driver_class = make_driver(component.driver_class)
    on_sqlite = connection.WhichOneof("config") == "sqlite"
    runner = airflow_dag_runner.AirflowDagRunner(
        airflow_dag_runner.AirflowPipelineConfig(
            airflow_dag_config=_make_arguments(config, on_sqlite)
        )
    )
    dag = runner.run(pipeline)
    for task_id, properties in fixed.items():
        task = dag.get_task(task_id)
        task.op_kwargs["exec_properties"] = {
            key: LiteralValue(value) if key in properties else value
            for key, value in task.op_kwargs["exec_properties"].items()
        }
        task.python_callable = functools.partial(
            launch, task.python_callable, task_id, pipeline.pipeline_info, connection
        )
        task.queue = config.queues.get(task_id, task.queue)
        task.pool = config.pools.get(task_id, task.pool)
    return dag


def _find_fixed(component: Any) -> set[str]:
    """Returns the properties that no template may change.

    Airflow renders every text of a task's arguments as a template, a module's or a proto's braces
    too; only TFX's runtime parameters are meant to be.
    """
    properties = component.exec_properties.items()
    return {key for key, value in properties if not isinstance(value, data_types.RuntimeParameter)}


def _make_arguments(config: AirflowConfig, on_sqlite: bool) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "schedule": config.schedule,
        "start_date": config.start_date,
        "catchup": config.catchup,
        "max_active_runs": config.max_active_runs,
        "tags": list(config.tags),
        "description": config.description,
        "default_args": make_task_arguments(config),
    }
    limit = config.max_active_tasks or (1 if on_sqlite else None)
    return arguments if limit is None else {**arguments, "max_active_tasks": limit}


def make_task_arguments(config: AirflowConfig) -> dict[str, Any]:
    """Returns what every task of the DAG is made with."""
    timeout = config.timeout_minutes
    return {
        "owner": config.owner,
        "retries": config.retries,
        "retry_delay": datetime.timedelta(minutes=config.retry_delay_minutes),
        "execution_timeout": None if timeout is None else datetime.timedelta(minutes=timeout),
    }
