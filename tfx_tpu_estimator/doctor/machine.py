"""What the machine offers: disk, shared memory, memory, and the lock of the TPU's library."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence

from tfx_tpu_estimator.doctor.finding import Finding, Level
from tfx_tpu_estimator.doctor.variables import list_tpu_devices

_GIB = 2**30
_MIB = 2**20
# Below the first a pipeline of small models already fails; below the second it soon will.
_DISK_PROBLEM, _DISK_ATTENTION = 0.5 * _GIB, 5 * _GIB
_SHARED_ATTENTION = 64 * _MIB
_MEMORY_ATTENTION = 4 * _GIB
_CGROUP_LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


def check_disk(
    paths: Sequence[str] | None = None,
    free_bytes: Callable[[str], int] = lambda path: shutil.disk_usage(path).free,
) -> list[Finding]:
    """Looks for room where runs write.

    Args:
        paths: The directories; None for the working directory and that of temporary files.
        free_bytes: Returns the free bytes of a directory's file system.
    """
    if paths is None:
        paths = list(dict.fromkeys([os.getcwd(), tempfile.gettempdir()]))
    return [_check_room(path, free_bytes(path)) for path in paths]


def _check_room(path: str, free: int) -> Finding:
    found = f"{free / _GIB:.1f} GiB free in {path}"
    if free >= _DISK_ATTENTION:
        return Finding(subject="Disk", level=Level.OK, found=found)
    level = Level.PROBLEM if free < _DISK_PROBLEM else Level.ATTENTION
    return Finding(
        subject="Disk", level=level,
        found=f"{found}; checkpoints, exports and temporary files of Beam go there.",
        way_out="Make room, or set TMPDIR and the output directory to a larger disk.",
    )  # fmt: skip


def check_shared_memory(path: str = "/dev/shm") -> list[Finding]:
    """Looks at the shared memory that locks and queues between processes are in."""
    if not os.path.isdir(path) or not os.access(path, os.W_OK):
        return [
            Finding(
                subject="Shared memory", level=Level.PROBLEM,
                found=f"{path} is missing or cannot be written: Python's locks between processes "
                "fail there.",
                way_out=f"Mount it: `mount -t tmpfs -o size=1g tmpfs {path}`, or `--shm-size=1g` "
                "of a container.",
            )
        ]  # fmt: skip
    size = shutil.disk_usage(path).total
    found = f"{path} has {size / _MIB:,.0f} MiB"
    if size > _SHARED_ATTENTION:
        return [Finding(subject="Shared memory", level=Level.OK, found=found)]
    return [
        Finding(
            subject="Shared memory", level=Level.ATTENTION,
            found=f"{found}, a container's default; libraries that share data between processes "
            "run out of it.",
            way_out="Start the container with `--shm-size=1g`.",
        )
    ]  # fmt: skip


def check_memory(limits: Sequence[str] = _CGROUP_LIMITS) -> list[Finding]:
    """Looks at how much memory processes can have here.

    Args:
        limits: Files with a container's limit.
    """
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in limits:
        text = pathlib.Path(limit).read_text().strip() if os.path.exists(limit) else ""
        total = min(total, int(text)) if text.isdigit() else total
    cores = os.cpu_count() or 1
    found = f"{total / _GIB:.1f} GiB, {cores} CPU core{'s' if cores > 1 else ''}"
    if total >= _MEMORY_ATTENTION:
        return [Finding(subject="Memory", level=Level.OK, found=found)]
    return [
        Finding(
            subject="Memory", level=Level.ATTENTION,
            found=f"{found}; a pipeline with Beam and TensorFlow Model Analysis needs more.",
            way_out="Use a machine, or a container's limit, of 4 GiB or more.",
        )
    ]  # fmt: skip


def check_tpu_files() -> list[Finding]:
    """Looks for TPU chips, and whether they can be opened."""
    devices = list_tpu_devices()
    if not devices:
        found = "no TPU chip on this machine; use_tpu=True runs on GPUs or virtual cores"
        return [Finding(subject="TPU", level=Level.OK, found=found)]
    closed = [path for path in devices if not os.access(path, os.R_OK | os.W_OK)]
    if closed:
        return [
            Finding(
                subject="TPU", level=Level.PROBLEM,
                found=f"{', '.join(closed)} cannot be opened by this user.",
                way_out="Run as root, or in the group that owns the files; a container needs "
                "`--privileged` or `--device`.",
            )
        ]  # fmt: skip
    found = f"{len(devices)} chip(s): {', '.join(devices)}"
    return [Finding(subject="TPU", level=Level.OK, found=found)]


def check_lock(path: str | None = None, locks: str = "/proc/locks") -> list[Finding]:
    """Looks whether a process holds the lock by which libtpu allows one process per machine.

    Args:
        path: The lock file; None for libtpu's.
        locks: Where the kernel lists locks.
    """
    path = path or os.path.join(tempfile.gettempdir(), "libtpu_lockfile")
    if not os.path.exists(path):
        return [Finding(subject="libtpu lock", level=Level.OK, found="free")]
    if not os.access(path, os.R_OK | os.W_OK):
        return [
            Finding(
                subject="libtpu lock", level=Level.ATTENTION,
                found=f"{path} belongs to another user; libtpu cannot open it.",
                way_out="Run as that user; for compiling without a TPU set "
                "ALLOW_MULTIPLE_LIBTPU_LOAD=1. Do not delete the file while libtpu is in use.",
            )
        ]  # fmt: skip
    holder = _find_holder(os.stat(path), locks)
    if holder is None:
        return [Finding(subject="libtpu lock", level=Level.OK, found="free")]
    return [
        Finding(
            subject="libtpu lock", level=Level.ATTENTION,
            found=f"held by process {holder}{_name_of(holder)}: a TPU can be used by one process.",
            way_out="Let it end. Compiling without a TPU, as `tfx-tpu-estimator compile` does, is "
            "possible all the same.",
        )
    ]  # fmt: skip


def _find_holder(status: os.stat_result, locks: str) -> int | None:
    """Returns the process that holds a lock on a file, by the kernel's list."""
    if not os.path.exists(locks):
        return None
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in pathlib.Path(locks).read_text().splitlines():
        found = re.match(rf"\d+: (?!->)\S+\s+\S+\s+\S+ (-?\d+) {re.escape(device)} ", line)
        if found:
            return int(found[1])
    return None


def _name_of(process: int) -> str:
    name = pathlib.Path("/proc", str(process), "comm")
    return f" ({name.read_text().strip()})" if name.exists() else ""
