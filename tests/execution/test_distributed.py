"""The ends of processes that share a run."""

import json
import subprocess
import sys

from helpers.process_runs import find_ports

SCRIPT = """
import atexit, json, sys, time

sys.path[:] = json.loads(sys.argv[1])
index, port, seconds = map(int, sys.argv[2:])
# Called after the processes have left one another.
atexit.register(time.sleep, seconds)
from tfx_tpu_estimator.config.processes import ProcessPlace
from tfx_tpu_estimator.execution import distributed

group = distributed._join(
    ProcessPlace(
        coordinator=f"127.0.0.1:{port}",
        num_processes=2,
        process_id=index,
        names=("process 0", "process 1"),
        timeout_secs=300.0,
    )
)
try:
    with group.running("go"):
        raise ValueError("refused")
except ValueError:
    pass
"""


def test_a_process_that_ends_slowly_after_an_error_is_waited_for():
    """jax aborts a process whose process 0 is gone."""
    (port,) = find_ports(1)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, json.dumps(sys.path), str(i), str(port), str(seconds)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i, seconds in enumerate((0, 4))
    ]
    ends = [(process.communicate()[0], process.returncode) for process in running]
    assert [code for _, code in ends] == [0, 0], ends
