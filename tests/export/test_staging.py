"""Where exports are written, and what they are called at the end."""

import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import types

import pytest

from tfx_tpu_estimator.errors import ExportError
from tfx_tpu_estimator.export import staging
from tfx_tpu_estimator.export.staging import publish_export


def stage(base, content="whole"):
    def write(directory):
        pathlib.Path(directory, "saved_model.pb").write_text(content)

    return publish_export(str(base), write)


def test_the_directory_gets_its_number_when_it_is_whole(tmp_path):
    def write(directory):
        assert os.listdir(directory) == []
        assert os.listdir(base) == [os.path.basename(directory)]
        assert os.path.basename(directory).startswith("temp-")

    base = str(tmp_path / "a" / "b")
    before = int(time.time())
    path = publish_export(base, write)
    assert os.listdir(base) == [os.path.basename(path)]
    assert os.path.dirname(path) == base
    assert before <= int(os.path.basename(path)) <= time.time()


def test_many_exports_at_the_same_time_get_numbers_of_their_own(tmp_path):
    paths = []
    threads = [
        threading.Thread(target=lambda i=i: paths.append((stage(tmp_path, str(i)), str(i))))
        for i in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(os.listdir(tmp_path)) == len({path for path, _ in paths}) == 16
    for path, content in paths:
        assert pathlib.Path(path, "saved_model.pb").read_text() == content


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_nothing(tmp_path, error):
    def fail(directory):
        pathlib.Path(directory, "half").write_text("half")
        raise error("the body failed")

    with pytest.raises(error, match="the body failed"):
        publish_export(str(tmp_path), fail)
    assert os.listdir(tmp_path) == []


def test_what_others_left_is_no_hindrance(tmp_path, monkeypatch):
    now = int(time.time())
    monkeypatch.setattr(staging, "time", types.SimpleNamespace(time=lambda: now))
    for second in range(now, now + 5):
        (tmp_path / f"temp-{second}").mkdir()
        (tmp_path / f"temp-{second}" / "half").write_text("half")
        (tmp_path / str(second)).mkdir()
        (tmp_path / str(second) / "saved_model.pb").write_text("another")
    path = stage(tmp_path)
    assert int(os.path.basename(path)) == now + 5
    assert pathlib.Path(path, "saved_model.pb").read_text() == "whole"
    for second in range(now, now + 5):
        assert (tmp_path / str(second) / "saved_model.pb").read_text() == "another"


def test_a_killed_process_leaves_no_version(tmp_path):
    script = (
        "import pathlib, sys, time\n"
        "from tfx_tpu_estimator.export.staging import publish_export\n"
        "def write(directory):\n"
        "    pathlib.Path(directory, 'saved_model.pb').write_text('half')\n"
        "    print('written', flush=True)\n"
        "    time.sleep(600)\n"
        "publish_export(sys.argv[1], write)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGKILL)
    (left,) = os.listdir(tmp_path)
    assert left.startswith("temp-")
    assert [os.path.basename(stage(tmp_path))] == [n for n in os.listdir(tmp_path) if n != left]


def test_a_base_that_is_a_file(tmp_path):
    (tmp_path / "base").write_text("a file")
    with pytest.raises(ExportError, match=r"below .*base.*`export_dir_base`.*directory"):
        publish_export(str(tmp_path / "base"), lambda directory: None)
