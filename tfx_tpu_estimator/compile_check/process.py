"""Runs the compiler in a child process: its crash, its time and its memory are results."""

from __future__ import annotations

import json
import pathlib
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from tfx_tpu_estimator.compile_check.jobs import CompileJob, Outcome
from tfx_tpu_estimator.compile_check.report import CRASHED, TIMED_OUT

JOB_FILE = "job.pickle"
RESULT_FILE = "result.json"
_MODULE = "tfx_tpu_estimator.compile_check.child"
_POLL_SECONDS = 0.1
_LAST_LINES = 5


def compile_in_child(
    job: CompileJob,
    *,
    timeout_secs: float,
    on_tick: Callable[[float, int], None],
    low_priority: bool = True,
) -> Outcome:
    """Compiles a job in a process of its own; blocks.

    Args:
      job: What to compile.
      timeout_secs: After which the process is killed.
      on_tick: Called now and then with the seconds passed and the bytes of memory in use.
      low_priority: Whether other processes go first.

    Returns:
      The outcome, with the peak memory of the process. When this is left by an exception, such as
      KeyboardInterrupt, the process is gone.
    """
    with tempfile.TemporaryDirectory(prefix="tpu_compile_") as directory:
        folder = pathlib.Path(directory)
        with open(folder / JOB_FILE, "wb") as file:
            pickle.dump(job, file)
        with open(folder / "stderr", "wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", _MODULE, directory, str(int(low_priority))],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # Ctrl-C is this process's: it ends the child itself.
                start_new_session=True,
            )
        watch = _Watch(process, timeout_secs, on_tick)
        try:
            timed_out = watch.wait()
        finally:
            _end(process)
        return _read(folder, process.returncode, watch, timeout_secs if timed_out else None)


class _Watch:
    """Waits for a process and measures its memory."""

    def __init__(
        self,
        process: subprocess.Popen,
        timeout_secs: float,
        on_tick: Callable[[float, int], None],
    ):
        self._process = process
        self._timeout = timeout_secs
        self._on_tick = on_tick
        self._started = time.monotonic()
        self.peak_bytes = 0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def wait(self) -> bool:
        """Returns whether the time limit was reached, at which the process still runs."""
        while True:
            self.peak_bytes = max(self.peak_bytes, _read_peak_memory(self._process.pid))
            try:
                self._process.wait(_POLL_SECONDS)
                return False
            except subprocess.TimeoutExpired:
                if self.seconds > self._timeout:
                    return True
            self._on_tick(self.seconds, self.peak_bytes)


def _end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _read(folder: pathlib.Path, code: int, watch: _Watch, exceeded_secs: float | None) -> Outcome:
    """Returns what became of a child that has ended."""
    result = folder / RESULT_FILE
    peak = watch.peak_bytes or None
    if result.exists():
        outcome = Outcome.from_json(json.loads(result.read_text(encoding="utf-8")))
        return outcome.replace(compiler_peak_rss_bytes=peak)
    if exceeded_secs is not None:
        message = (
            f"The compiler was stopped after {exceeded_secs:g} s, the time limit. Give it more "
            "time (`timeout_secs`), or compile a smaller batch or model."
        )
        status = TIMED_OUT
    else:
        message = _describe_crash(code, (folder / "stderr").read_bytes(), peak)
        status = CRASHED
    return Outcome(
        status=status, message=message, compile_seconds=watch.seconds, compiler_peak_rss_bytes=peak
    )


def _describe_crash(code: int, log: bytes, peak: int | None) -> str:
    ended = f"with exit code {code}"
    if code < 0:
        known = {s.value for s in signal.Signals}
        name = signal.Signals(-code).name if -code in known else str(-code)
        ended = f"by signal {name}"
    used = "" if peak is None else f" It had used {peak / 2**30:.1f} GiB of memory."
    hint = ""
    if code == -signal.SIGKILL:
        hint = " A process that is killed has often run out of this machine's memory."
    lines = log.decode(errors="replace").strip().splitlines()[-_LAST_LINES:]
    said = "\n".join(lines) or "(nothing)"
    return f"The compiler's process ended {ended}.{used}{hint} Its last lines:\n{said}"


def _read_peak_memory(pid: int) -> int:
    """Returns the most memory that a process has had, in bytes; 0 if it is not known."""
    try:
        status = pathlib.Path("/proc", str(pid), "status").read_text(encoding="utf-8")
    except OSError:  # it has just ended, or this is no Linux
        return 0
    found = re.search(r"VmHWM:\s*(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0
