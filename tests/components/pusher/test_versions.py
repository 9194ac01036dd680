"""Tests of publishing versions in a serving directory."""

import os
import resource
import socket
import subprocess
import sys
import threading
import time

import pytest

from tfx_tpu_estimator.components.pusher import versions


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "data").write_bytes(b"weights")
    return folder


@pytest.fixture
def base(tmp_path):
    return tmp_path / "serving"


def visible(base):
    return sorted(name for name in os.listdir(base) if name.isdigit())


def change(model):
    (model / "variables" / "data").write_bytes(os.urandom(8))


def test_first_push(model, base):
    before = int(time.time())
    pushed = versions.push_version(str(model), str(base))
    assert not pushed.already_newest
    assert before <= pushed.version <= int(time.time())
    assert visible(base) == [str(pushed.version)]
    assert (base / str(pushed.version) / "variables" / "data").read_bytes() == b"weights"
    assert not [name for name in os.listdir(base) if name.startswith(".staging")]


def test_the_same_model_is_not_pushed_twice(model, base):
    first = versions.push_version(str(model), str(base))
    (model / "fingerprint.pb").write_bytes(b"derived")
    second = versions.push_version(str(model), str(base))
    assert second.already_newest
    assert (second.version, second.path) == (first.version, first.path)
    assert len(visible(base)) == 1


def test_an_older_version_is_pushed_again(model, base):
    versions.push_version(str(model), str(base))
    original = (model / "variables" / "data").read_bytes()
    change(model)
    versions.push_version(str(model), str(base))
    (model / "variables" / "data").write_bytes(original)
    assert not versions.push_version(str(model), str(base)).already_newest
    assert len(visible(base)) == 3


def test_versions_grow_within_one_second(model, base):
    numbers = []
    for _ in range(3):
        change(model)
        numbers.append(versions.push_version(str(model), str(base)).version)
    assert numbers == sorted(set(numbers))


def test_a_version_from_the_future_is_exceeded(model, base):
    (base / "99999999999").mkdir(parents=True)
    assert versions.push_version(str(model), str(base)).version == 100_000_000_000


def test_a_file_called_by_a_number_takes_it(model, base):
    base.mkdir()
    (base / "99999999999").write_text("not a model")
    assert versions.push_version(str(model), str(base)).version == 100_000_000_000


def test_a_removed_version_does_not_return(model, base):
    import shutil

    (base / "99999999999").mkdir(parents=True)
    first = versions.push_version(str(model), str(base))
    shutil.rmtree(base / "99999999999")
    shutil.rmtree(first.path)
    assert versions.push_version(str(model), str(base)).version == first.version + 1


def test_an_unreadable_note_is_replaced(model, base):
    base.mkdir()
    (base / ".highest_version").write_text("garbage")
    pushed = versions.push_version(str(model), str(base))
    assert (base / ".highest_version").read_text() == f"{pushed.version}\n"


def test_what_a_killed_push_left_is_removed(model, base):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    host, now = socket.gethostname(), int(time.time())
    names = {
        f".staging-{host}-{process.pid}-{now}": False,
        f".staging-{host}-{os.getppid()}-{now}": True,
        f".staging-elsewhere-1-{now}": True,
        f".staging-elsewhere-1-{now - 90_000}": False,
        ".staging-unreadable": False,
    }
    for name in names:
        (base / name).mkdir(parents=True)
    versions.push_version(str(model), str(base))
    left = {name: (base / name).exists() for name in names}
    assert left == names


def test_a_copy_that_differs_is_not_published(model, base, monkeypatch):
    from tfx.utils import io_utils

    def copy_badly(source, target):
        os.makedirs(target)
        with open(os.path.join(target, "saved_model.pb"), "wb") as file:
            file.write(b"gra")

    monkeypatch.setattr(io_utils, "copy_dir", copy_badly)
    with pytest.raises(OSError, match="differs from it"):
        versions.push_version(str(model), str(base))
    assert os.listdir(base) == []


def test_a_full_disk_leaves_nothing(model, base):
    """The limit on file sizes makes real writes fail, as a full disk does."""
    (model / "big").write_bytes(bytes(1 << 20))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OSError, match=r"cannot be copied|differs from it"):
            versions.push_version(str(model), str(base))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(base) == []


def test_no_incomplete_version_is_ever_visible(model, base):
    """What a server's watcher would see, sampled while models are pushed."""
    (model / "big").write_bytes(os.urandom(4 << 20))
    stop, incomplete, seen = threading.Event(), [], set()

    def watch():
        while not stop.is_set():
            for name in visible(base) if base.exists() else []:
                seen.add(name)
                for file in ("saved_model.pb", "big", "variables/data"):
                    if not (base / name / file).exists():
                        incomplete.append((name, file))
                if (base / name / "big").stat().st_size != 4 << 20:
                    incomplete.append((name, "big"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for _ in range(5):
            change(model)
            versions.push_version(str(model), str(base))
        time.sleep(0.05)
    finally:
        stop.set()
        watcher.join()
    assert incomplete == []
    assert len(seen) == 5


def test_a_number_taken_meanwhile_is_skipped(model, base, monkeypatch):
    taken = int(time.time()) + 1000
    choices = iter([taken, taken + 1])
    (base / str(taken) / "other").mkdir(parents=True)
    monkeypatch.setattr(versions, "_choose_version", lambda _: next(choices))
    assert versions.push_version(str(model), str(base)).version == taken + 1
