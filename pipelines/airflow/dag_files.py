"""Files for Airflow's DAG folder: one that builds the pipeline, and one that needs no TFX."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tfx_tpu_estimator.components.option_checks import field_names
from tfx_tpu_estimator.whole_files import write_local_file

from .config import AirflowConfig

_COMMAND = "tfx-tpu-estimator"

# Airflow parses only files that have the words "airflow" and "dag" in them.
_DAG_FILE = '''"""The pipeline of {file_name} as a DAG of Airflow 2.10, beside TFX.

Written by `tfx-tpu-estimator pipeline compile --to airflow`. The pipeline itself stays in its file,
which Airflow reads again with this one. To read it takes as long as to load TFX: set
AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT=600.
"""

import os

# As `tfx-tpu-estimator pipeline run` has it: oneDNN's kernels add up in another order, so that the
# same training would end with other last digits. Before TensorFlow is loaded.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

from tfx_tpu_estimator.pipelines.airflow import AirflowConfig, create_dag
from tfx_tpu_estimator.pipelines.config_file import load_config
from tfx_tpu_estimator.pipelines.pipeline import create_pipeline

PIPELINE = {pipeline}
OUTPUT = {output}

dag = create_dag(
    create_pipeline(load_config(PIPELINE, OUTPUT)),
    AirflowConfig({settings}),
)
'''

_COMMAND_DAG_FILE = '''"""The pipeline of {file_name} as a DAG of Airflow 3; of Airflow 2 too.

Written by `tfx-tpu-estimator pipeline compile --to airflow3`; write it again when the nodes of the
pipeline have changed. Nothing of TFX is imported here: each task is the command below, which runs
in the environment that it is installed in.
"""

import datetime
import shlex

try:
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.operators.bash import BashOperator

COMMAND = {command}
PIPELINE = {pipeline}
OUTPUT = {output}

# Each node, and those that it waits for.
NODES = {{
{nodes}}}
QUEUES = {queues}
POOLS = {pools}

# One task at a time: a node's task takes what earlier nodes made from the latest run there is.
with DAG(
    dag_id={name},
    description={description},
    schedule={schedule},
    start_date=datetime.datetime.fromisoformat({start_date}),
    catchup={catchup},
    max_active_runs=1,
    max_active_tasks=1,
    tags={tags},
    default_args={{
        "owner": {owner},
        "retries": {retries},
        "retry_delay": datetime.timedelta(minutes={retry_delay_minutes}),
        "execution_timeout": {timeout},
    }},
) as dag:
    tasks = {{}}
    for node, upstream in NODES.items():
        words = [COMMAND, "pipeline", "run", PIPELINE, "--output", OUTPUT]
        places = {{"queue": QUEUES.get(node), "pool": POOLS.get(node)}}
        tasks[node] = BashOperator(
            task_id=node,
            bash_command=shlex.join([*words, "--from", node, "--to", node]),
            **{{key: value for key, value in places.items() if value}},
        )
        tasks[node].set_upstream([tasks[each] for each in upstream])
'''


def write_dag(file: str, directory: str, config: AirflowConfig, output_file: str) -> None:
    """Writes a DAG file that builds the pipeline with `create_dag` where Airflow has TFX.

    Args:
      file: The Python file with `make_config(directory)`.
      directory: What `make_config` is called with: where runs write.
      config: When it runs, and how tasks are treated.
      output_file: A .py file of Airflow's DAG folder.

    Raises:
      ValueError: `output_file` is no .py file, or it is the pipeline's own.

    Example:
      write_dag("taxi_pipeline.py", "/data/taxi", AirflowConfig(schedule="@daily"), "dags/taxi.py")
    """
    _check_output_file(output_file, file)
    defaults = AirflowConfig()
    changed = {
        field: getattr(config, field)
        for field in field_names(config)
        if getattr(config, field) != getattr(defaults, field)
    }
    lines = [f"\n        {field}={_show(value)}," for field, value in changed.items()]
    text = _DAG_FILE.format(
        file_name=os.path.basename(file),
        pipeline=_show(os.path.abspath(file)),
        output=_show(_make_absolute(directory)),
        settings="".join(lines) + ("\n    " if lines else ""),
    )
    write_local_file(output_file, text)


def write_command_dag(
    file: str,
    directory: str,
    pipeline: Any,
    config: AirflowConfig,
    output_file: str,
    command: str | None = None,
) -> None:
    """Writes a DAG file whose tasks are this package's command line, with no import of TFX.

    It is for Airflow 3, and for Airflow 2 in an environment without TFX.

    Args:
      file: The Python file with `make_config(directory)`.
      directory: What `make_config` is called with: where runs write.
      pipeline: The TFX pipeline that it makes, for its nodes and their order.
      config: When it runs, and how tasks are treated. Always one task and one run at a time.
      output_file: A .py file of Airflow's DAG folder.
      command: Path of `tfx-tpu-estimator` as the workers see it; None for that of this Python.

    Raises:
      ValueError: `output_file` is no .py file, or it is the pipeline's own; a path has braces that
        Airflow would take for a template; more than one task or run at a time is asked for.

    Example:
      write_command_dag("taxi_pipeline.py", "out", pipeline, AirflowConfig(), "dags/taxi.py")
    """
    _check_output_file(output_file, file)
    _check_one_at_a_time(config)
    nodes = {c.id: sorted(n.id for n in c.upstream_nodes) for c in pipeline.components}
    config.check_ids(list(nodes))
    words = {
        "command": command or os.path.join(os.path.dirname(sys.executable), _COMMAND),
        "pipeline": os.path.abspath(file),
        "output": _make_absolute(directory),
    }
    for what, word in words.items():
        _check_no_template(what, word)
    timeout = config.timeout_minutes
    text = _COMMAND_DAG_FILE.format(
        file_name=os.path.basename(file),
        nodes="".join(f"    {_show(node)}: {_show(before)},\n" for node, before in nodes.items()),
        timeout=None if timeout is None else f"datetime.timedelta(minutes={timeout})",
        name=_show(pipeline.pipeline_info.pipeline_name),
        **{field: _show(getattr(config, field)) for field in field_names(config)},
        **{what: _show(word) for what, word in words.items()},
    )
    write_local_file(output_file, text)


def _check_output_file(output_file: str, file: str) -> None:
    if not output_file.endswith(".py"):
        raise ValueError(f"`output_file` must end in .py, got {output_file!r}.")
    if os.path.realpath(output_file) == os.path.realpath(file):
        raise ValueError(f"`output_file` {output_file!r} is the pipeline's own file.")


def _check_one_at_a_time(config: AirflowConfig) -> None:
    for field in ("max_active_runs", "max_active_tasks"):
        if getattr(config, field) not in (None, 1):
            raise ValueError(
                f"`{field}` must be 1 where tasks are commands, each of which takes what earlier "
                f"nodes made from the latest run; got {getattr(config, field)}."
            )


def _check_no_template(what: str, word: str) -> None:
    for mark in ("{{", "{%", "{#"):
        if mark in word:
            raise ValueError(
                f"The path of the {what}, {word!r}, has {mark!r}, which Airflow takes for the "
                "beginning of a template; use another path."
            )


def _make_absolute(directory: str) -> str:
    return directory if "://" in directory else os.path.abspath(directory)


def _show(value: Any) -> str:
    """Returns a setting as Python source."""
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_show(k)}: {_show(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(_show, value)) + "]"
    if hasattr(value, "isoformat"):
        return json.dumps(value.isoformat())
    return repr(value)
