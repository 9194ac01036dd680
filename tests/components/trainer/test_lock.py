"""Tests of the lock of a directory of durable checkpoints."""

import dataclasses
import json
import logging
import os
import socket
import subprocess
import sys
import time
import types

import pytest

from tfx_tpu_estimator.components.trainer import lock
from tfx_tpu_estimator.components.trainer.lock import Holder, hold_directory


@pytest.fixture
def sleep(monkeypatch):
    """Sets what happens in place of every sleep of those who wait for a lock."""

    def call(instead):
        monkeypatch.setattr(lock, "time", types.SimpleNamespace(sleep=instead))

    return call


def wait_for_renewal(path, times):
    """Returns when the lock of this process was renewed so often."""
    while json.loads(path.read_text())["renewed"] < times:
        time.sleep(0.01)


def write(tmp_path, **fields):
    holder = Holder(**{"host": socket.gethostname(), "process": os.getpid(), "token": "t"} | fields)
    (tmp_path / "key.lock").write_text(json.dumps(dataclasses.asdict(holder)))


def dead_process():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_one_holds_it_at_a_time(tmp_path, monkeypatch, sleep):
    monkeypatch.setattr(lock, "RENEW_SECS", 0.05)
    directory = str(tmp_path / "key")
    path = tmp_path / "key.lock"
    # However slow this machine is, it is renewed between one look at it and the next.
    sleep(lambda seconds: wait_for_renewal(path, json.loads(path.read_text())["renewed"] + 1))
    with hold_directory(directory):
        with (
            pytest.raises(RuntimeError, match=f"Process {os.getpid()} on .* is training in .*key"),
            hold_directory(directory),
        ):
            pass
        # It is renewed meanwhile, under another name at first.
        assert [n for n in os.listdir(tmp_path) if "lock-" not in n] == ["key.lock"]
    assert os.listdir(tmp_path) == []
    with hold_directory(directory):
        pass


def test_an_error_inside_releases_it(tmp_path):
    with pytest.raises(ValueError, match="inside"), hold_directory(str(tmp_path / "key")):
        raise ValueError("inside")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("own", [False, True], ids=["another process", "an earlier container"])
def test_that_of_a_dead_process_is_taken_over(tmp_path, caplog, own):
    write(tmp_path, process=os.getpid() if own else dead_process())
    with caplog.at_level(logging.WARNING), hold_directory(str(tmp_path / "key")):
        assert json.loads((tmp_path / "key.lock").read_text())["process"] == os.getpid()
    assert "which is gone" in caplog.text


def test_a_broken_one_is_taken_over(tmp_path):
    (tmp_path / "key.lock").write_text("{")
    with hold_directory(str(tmp_path / "key")):
        pass


def test_that_of_a_silent_machine_is_taken_over(tmp_path, caplog, sleep):
    write(tmp_path, host="elsewhere", process=5)
    slept = []
    sleep(slept.append)
    with caplog.at_level(logging.WARNING), hold_directory(str(tmp_path / "key")):
        pass
    assert "Waiting for a sign of life of Process 5 on elsewhere" in caplog.text
    assert "which is silent" in caplog.text
    assert sum(slept) == lock.STALE_SECS


def test_that_of_a_machine_that_renews_it_is_an_error(tmp_path, sleep):
    write(tmp_path, host="elsewhere", process=5)
    sleep(lambda seconds: write(tmp_path, host="elsewhere", process=5, renewed=1))
    with (
        pytest.raises(RuntimeError, match="Process 5 on elsewhere is training"),
        hold_directory(str(tmp_path / "key")),
    ):
        pass


def test_it_is_renewed(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "RENEW_SECS", 0.05)
    with hold_directory(str(tmp_path / "key")):
        wait_for_renewal(tmp_path / "key.lock", 2)
