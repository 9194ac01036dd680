"""Airflow in processes of its own, on SQLite in a directory that is thrown away."""

import os
import subprocess
import sys

COMMAND = os.path.join(os.path.dirname(sys.executable), "airflow")


def make_environment(home, dags):
    """The environment of an Airflow with everything below `home`."""
    return {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "600",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }


def call(arguments, environment):
    """Runs Airflow's command line; returns its output, or raises with the end of it."""
    done = subprocess.run(
        [COMMAND, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"airflow {' '.join(arguments)}:\n{done.stdout[-6000:]}"
    return done.stdout
