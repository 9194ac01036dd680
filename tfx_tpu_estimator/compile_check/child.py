"""The process that compiles: it may crash or be killed, and takes its memory with it.

Started as `python -m tfx_tpu_estimator.compile_check.child DIRECTORY`. Ends when its standard
input does, so that it does not outlive the process that started it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import pickle
import re
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from tfx_tpu_estimator.compile_check.chips import KNOWN
from tfx_tpu_estimator.compile_check.exhausted import read_exhausted
from tfx_tpu_estimator.compile_check.hlo_text import find_collectives, find_largest
from tfx_tpu_estimator.compile_check.jobs import CompileJob, Outcome
from tfx_tpu_estimator.compile_check.process import JOB_FILE, RESULT_FILE
from tfx_tpu_estimator.compile_check.report import FAILED, FITS, Buffer
from tfx_tpu_estimator.execution.embedded_program import EmbeddedProgram
from tfx_tpu_estimator.execution.embedding_executable import EmbeddingExecutable
from tfx_tpu_estimator.execution.executable import Executable
from tfx_tpu_estimator.lowering import jax_compat

_SETTINGS = {
    "JAX_PLATFORMS": "cpu",
    # Without a TPU there is no metadata server to ask, and no chip that two processes could share.
    "TPU_SKIP_MDS_QUERY": "1",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_STDERR_LOG_LEVEL": "2",
    "TPU_LOG_DIR": "disabled",
}


_NICENESS = 5
_UNKNOWN_TOPOLOGY = (
    f"The installed libtpu does not describe this topology. Known to work are {', '.join(KNOWN)}; "
    "a newer libtpu may know more chips and layouts."
)


def main(directory: str, low_priority: bool) -> None:
    """Compiles the job of `directory` and writes what came of it beside it."""
    _end_with_parent()
    if low_priority:
        os.nice(_NICENESS)
    os.environ.update(_SETTINGS)
    folder = pathlib.Path(directory)
    with open(folder / JOB_FILE, "rb") as file:
        job = pickle.load(file)
    outcome = compile_job(job)
    aside = folder / f"{RESULT_FILE}.new"
    aside.write_text(json.dumps(outcome.to_json()))
    aside.rename(folder / RESULT_FILE)
    # libtpu's threads may be slow to end, and have nothing to say any more.
    sys.stderr.flush()
    os._exit(0)


def compile_job(job: CompileJob) -> Outcome:
    """Compiles a job in this process; blocks."""
    try:
        devices = jax_compat.describe_tpus(job.topology)[: job.cores]
    except Exception as error:  # jax and libtpu have several, none of them narrower
        return Outcome(status=FAILED, message=f"{_UNKNOWN_TOPOLOGY} It says: {error}")
    if len(devices) < job.cores:
        return Outcome(
            status=FAILED,
            message=f"{_UNKNOWN_TOPOLOGY} It describes {len(devices)} cores, not {job.cores}.",
        )
    if job.program is None:
        return Outcome(status=FITS)
    started = time.monotonic()
    try:
        compiled = _compile(job, devices)
    except Exception as error:  # the compiler has no narrower type, and all it says is the result
        seconds = time.monotonic() - started
        exhausted = read_exhausted(str(error))
        if exhausted is None:
            return Outcome(
                status=FAILED, message=f"The compiler says no. {error}", compile_seconds=seconds
            )
        return Outcome(**exhausted, compile_seconds=seconds)
    seconds = time.monotonic() - started
    names = [signature.name for signature in job.program.inputs]
    return _describe(compiled, seconds, names)


def _compile(job: CompileJob, devices: Sequence[Any]) -> Any:
    program = job.program
    assert program is not None, "jobs without one only ask for the topology"
    if isinstance(program, EmbeddedProgram):
        executable = EmbeddingExecutable(program, devices)
        return executable.compile(executable.describe_batches(job.steps))
    return Executable(
        program,
        devices,
        broadcast=job.broadcast,
        cores_per_replica=job.cores_per_replica,
        partitions=job.partitions or None,
    ).compile(job.steps)


def _describe(compiled: Any, seconds: float, inputs: Sequence[str]) -> Outcome:
    memory, cost = compiled.memory_analysis(), compiled.cost_analysis()
    if isinstance(cost, list | tuple):  # one for each program, in older jax
        cost = cost[0] if cost else {}
    text = compiled.as_text()
    sizes: dict[str, Any] = {
        "argument_bytes": int(memory.argument_size_in_bytes),
        "output_bytes": int(memory.output_size_in_bytes),
        "alias_bytes": int(memory.alias_size_in_bytes),
        "temp_bytes": int(memory.temp_size_in_bytes),
        "code_bytes": int(memory.generated_code_size_in_bytes),
    }
    peak = sum(sizes.values()) - 2 * sizes["alias_bytes"]
    cost = dict(cost or {})
    return Outcome(
        status=FITS,
        **sizes,
        peak_bytes=peak,
        flops=_number(cost.get("flops")),
        bytes_accessed=_number(cost.get("bytes accessed")),
        collectives=find_collectives(text),
        largest=tuple(_name_input(buffer, inputs) for buffer in find_largest(text)),
        compile_seconds=seconds,
    )


def _name_input(buffer: Buffer, inputs: Sequence[str]) -> Buffer:
    """Calls an input what the model calls it."""
    found = re.fullmatch(r"batches\[(\d+)\]", buffer.name)
    return dataclasses.replace(buffer, name=inputs[int(found[1])]) if found else buffer


def _number(value: Any) -> float | None:
    """Returns a figure of the compiler; it says -1 or nothing where it does not know."""
    return None if value is None or value < 0 else float(value)


def _end_with_parent() -> None:
    def wait() -> None:
        sys.stdin.buffer.read()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1], low_priority=sys.argv[2] == "1")
