"""Runs a script of a test in several processes that share a run."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import time

TESTS = pathlib.Path(__file__).parent.parent
_LIMIT_SECS = 540
# Everything that could tell a process that it is one of several.
_SETTINGS = ("TF_CONFIG", "TPU_WORKER_ID", "TPU_WORKER_HOSTNAMES", "XLA_FLAGS")


def find_ports(count):
    """Returns ports that were free a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def by_tf_config(count):
    """Environment variables of each process, as TF_CONFIG describes a cluster."""
    addresses = [f"127.0.0.1:{port}" for port in find_ports(count)]
    cluster = {"chief": addresses[:1], "worker": addresses[1:]}
    tasks = [{"type": "worker", "index": i - 1} if i else {"type": "chief", "index": 0}
             for i in range(count)]  # fmt: skip
    return [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks]


def by_pod(count):
    """The same as a TPU pod describes it; the port is ours, so that tests do not meet."""
    (port,) = find_ports(1)
    hosts = ",".join(["127.0.0.1"] * count)
    return [{"TPU_WORKER_ID": str(i), "TPU_WORKER_HOSTNAMES": hosts,
             "TFX_TPU_ESTIMATOR_COORDINATOR": f"127.0.0.1:{port}"}
            for i in range(count)]  # fmt: skip


def by_variables(count):
    """The same in variables of our own."""
    (port,) = find_ports(1)
    return [{"TFX_TPU_ESTIMATOR_COORDINATOR": f"127.0.0.1:{port}",
             "TFX_TPU_ESTIMATOR_NUM_PROCESSES": str(count),
             "TFX_TPU_ESTIMATOR_PROCESS_ID": str(i)} for i in range(count)]  # fmt: skip


class Processes:
    """Processes that run `script`, with its arguments, each with its own variables.

    Args:
      script: A file of Python under tests/.
      variables: Environment variables of each process; None to leave that process out.
      arguments: Of the script.
    """

    def __init__(self, script, variables, *arguments):
        base = {k: v for k, v in os.environ.items() if k not in _SETTINGS}
        base.update(
            JAX_PLATFORMS="cpu",
            TPU_SKIP_MDS_QUERY="1",
            TF_CPP_MIN_LOG_LEVEL="3",
            PYTHONPATH=os.pathsep.join([str(TESTS), str(TESTS.parent)]),
            TFX_TPU_ESTIMATOR_PROGRESS="off",
        )
        self.running = [
            subprocess.Popen(
                [sys.executable, str(TESTS / script), *map(str, arguments)],
                env={**base, **given},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for given in variables
            if given is not None
        ]

    def wait(self):
        """Waits for the ends; returns [(exit code, output)], killing what takes too long."""
        end = time.monotonic() + _LIMIT_SECS
        results = []
        try:
            for process in self.running:
                output, _ = process.communicate(timeout=max(1, end - time.monotonic()))
                results.append((process.returncode, output))
        finally:
            for process in self.running:
                process.kill()
        return results


def run_processes(script, variables, *arguments):
    """Runs the processes to their end; returns [(exit code, output)]."""
    return Processes(script, variables, *arguments).wait()
