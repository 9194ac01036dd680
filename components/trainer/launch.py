"""Starts the processes of a training on this machine, and waits for their end."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tfx import types
from tfx.utils import json_utils

from tfx_tpu_estimator.config import processes

from ..constants import OPTIONS_KEY
from ..host_options import RUNNER
from ..options import TPUEstimatorOptions

_logger = logging.getLogger(__name__)

_MODULE = "tfx_tpu_estimator.components.trainer.host_process"
_LOOK_SECS = 0.2
# So long others may take to end by themselves after one has failed; they say more about it then.
_GRACE_SECS = 30.0
_TAIL_LINES = 15
# What else could tell a process that it is one of several.
_OTHER_PLACES = ("TF_CONFIG", processes.POD_ID_VARIABLE, processes.POD_HOSTS_VARIABLE)


def launch_processes(
    options: TPUEstimatorOptions,
    input_dict: Mapping[str, Sequence[types.Artifact]],
    output_dict: Mapping[str, Sequence[types.Artifact]],
    exec_properties: Mapping[str, Any],
) -> None:
    """Runs the Trainer's executor in several processes on this machine.

    Args:
        options: With `hosts`, how many processes.
        input_dict: As of the executor.
        output_dict: As of the executor.
        exec_properties: As of the executor.

    Raises:
        RuntimeError: If a process failed; with the end of its log.
    """
    hosts = options.hosts
    assert hosts is not None
    assert hosts.num_processes is not None  # checked by MultiHostOptions
    given = json.loads(options.to_json())
    given["hosts"] = dataclasses.asdict(dataclasses.replace(hosts, launch=RUNNER))
    arguments = {
        "input_dict": dict(input_dict),
        "output_dict": dict(output_dict),
        "exec_properties": {**exec_properties, OPTIONS_KEY: json.dumps(given, sort_keys=True)},
    }
    with tempfile.TemporaryDirectory(prefix="trainer-hosts-") as folder:
        path = os.path.join(folder, "arguments.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write(json_utils.dumps(arguments))
        _run(path, folder, hosts.num_processes)


def _run(path: str, folder: str, count: int) -> None:
    coordinator = f"127.0.0.1:{_find_port()}"
    _logger.info("Starting %d processes; process 0 listens at %s.", count, coordinator)
    logs = [os.path.join(folder, f"process-{i}.log") for i in range(count)]
    running = [_start(path, logs[i], coordinator, count, i) for i in range(count)]
    try:
        first = _wait(running)
    finally:
        for process in running:
            process.kill()
            process.wait()
    if first is None:
        return
    code = running[first].returncode
    raise RuntimeError(
        f"Process {first} of {count} failed with code {code}; a retry goes on from the last "
        f"checkpoint. The end of its log:\n{_read_tail(logs[first])}"
    )


def _start(path: str, log: str, coordinator: str, count: int, index: int) -> subprocess.Popen:
    environment = {k: v for k, v in os.environ.items() if k not in _OTHER_PLACES}
    environment[processes.COORDINATOR_VARIABLE] = coordinator
    environment[processes.NUM_PROCESSES_VARIABLE] = str(count)
    environment[processes.PROCESS_ID_VARIABLE] = str(index)
    with open(log, "wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", _MODULE, path],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
        )


def _wait(running: Sequence[subprocess.Popen]) -> int | None:
    """Returns the process that failed first, once all have ended or had time to; None if none."""
    first, failed_at = None, 0.0
    while True:
        codes = [process.poll() for process in running]
        if first is None and any(codes):
            first = next(i for i, code in enumerate(codes) if code)
            failed_at = time.monotonic()
        if None not in codes or (first is not None and _is_over(failed_at)):
            return first
        time.sleep(_LOOK_SECS)


def _is_over(failed_at: float) -> bool:
    return time.monotonic() - failed_at > _GRACE_SECS


def _find_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _read_tail(log: str) -> str:
    with open(log, encoding="utf-8", errors="replace") as file:
        lines = [line for line in file.read().splitlines() if line.strip()]
    return "\n".join(lines[-_TAIL_LINES:])
