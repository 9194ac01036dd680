"""Disk, shared memory, memory, chips and libtpu's lock."""

import fcntl
import os

import pytest

from tfx_tpu_estimator.doctor import machine
from tfx_tpu_estimator.doctor.finding import Level

GIB = 2**30


@pytest.mark.parametrize(
    ("free", "level"),
    [(50 * GIB, Level.OK), (2 * GIB, Level.ATTENTION), (GIB // 10, Level.PROBLEM)],
)
def test_disk(free, level):
    (finding,) = machine.check_disk(["/data"], lambda path: free)
    assert finding.level is level
    assert "GiB free in /data" in finding.found


def test_shared_memory_that_is_missing(tmp_path):
    (finding,) = machine.check_shared_memory(str(tmp_path / "none"))
    assert finding.level is Level.PROBLEM
    assert "--shm-size" in finding.way_out


def test_a_container_limit_counts(tmp_path):
    limit = tmp_path / "memory.max"
    limit.write_text(f"{2 * GIB}\n")
    (finding,) = machine.check_memory([str(limit)])
    assert finding.level is Level.ATTENTION
    assert finding.found.startswith("2.0 GiB")
    limit.write_text("max\n")
    (finding,) = machine.check_memory([str(limit)])
    assert not finding.found.startswith("2.0 GiB")


def test_chips_that_cannot_be_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "list_tpu_devices", lambda: [str(tmp_path / "accel0")])
    (finding,) = machine.check_tpu_files()
    assert finding.level is Level.PROBLEM
    assert "cannot be opened" in finding.found
    (tmp_path / "accel0").touch()
    (finding,) = machine.check_tpu_files()
    assert finding.found.startswith("1 chip")


def test_the_lock_names_who_holds_it(tmp_path):
    path = tmp_path / "libtpu_lockfile"
    assert machine.check_lock(str(path))[0].found == "free"
    path.touch()
    assert machine.check_lock(str(path))[0].found == "free"
    with open(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        (finding,) = machine.check_lock(str(path))
    if not os.path.getsize("/proc/locks") and finding.level is Level.OK:
        pytest.skip("needs a kernel that lists locks in /proc/locks; gVisor does not")
    assert finding.level is Level.ATTENTION
    assert f"held by process {os.getpid()}" in finding.found


def test_the_lock_in_the_kernels_list(tmp_path):
    path = tmp_path / "libtpu_lockfile"
    path.touch()
    status = os.stat(path)
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    locks = tmp_path / "locks"
    locks.write_text(
        f"1: FLOCK  ADVISORY  WRITE 11 {device}:{status.st_ino + 1} 0 EOF\n"
        f"2: -> FLOCK  ADVISORY  WRITE 12 {device}:{status.st_ino} 0 EOF\n"
        f"3: FLOCK  ADVISORY  WRITE 13 {device}:{status.st_ino} 0 EOF\n"
    )
    (finding,) = machine.check_lock(str(path), str(locks))
    assert "held by process 13" in finding.found
