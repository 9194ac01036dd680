"""Tests of publishing versions in a serving directory."""

import json
import os
import resource
import shutil
import socket
import threading
import time

import pytest
from helpers.serving_models import list_served, read_tree, write_model

from tfx_tpu_estimator.components.pusher import content as content_module
from tfx_tpu_estimator.components.pusher.content import read_content
from tfx_tpu_estimator.components.pusher.lock import hold_serving_dir
from tfx_tpu_estimator.components.pusher.options import PusherOptions
from tfx_tpu_estimator.components.pusher.records import Records
from tfx_tpu_estimator.components.pusher.versions import push_content


@pytest.fixture
def base(tmp_path):
    return tmp_path / "serving"


@pytest.fixture
def push(tmp_path, base):
    """Pushes the model made with a seed."""

    def call(seed=0, **options):
        model = write_model(tmp_path / f"model{seed}", seed)
        return push_content(read_content(str(model)), str(base), PusherOptions(**options))

    return call


def test_first_push(push, base, tmp_path):
    before = int(time.time())
    pushed = push()
    assert not pushed.already_newest
    assert pushed.previous_version is None
    assert before <= pushed.version <= int(time.time())
    assert list_served(base) == [str(pushed.version)]
    assert read_tree(pushed.path) == read_tree(tmp_path / "model0")
    assert sorted(os.listdir(base / ".pushes")) == [f"{pushed.version}.json", "lock"]


def test_what_is_recorded(push, base, tmp_path):
    first, second = push(1), push(2)
    record = Records(str(base)).get(second.version)
    assert (record.kind, record.digest, record.source_digest) == (
        "push",
        second.digest,
        second.digest,
    )
    assert record.source == str(tmp_path / "model2")
    assert record.tag_sets == "serve;serve,tpu"
    assert record.previous_version == second.previous_version == first.version
    assert record.time.endswith("+00:00")


def test_the_same_model_is_not_pushed_twice(push, base, tmp_path):
    first = push()
    # Derived from the others, and no part of what the model is.
    (tmp_path / "model0" / "fingerprint.pb").write_bytes(b"derived")
    second = push()
    assert second.already_newest
    assert (second.version, second.path, second.digest) == (
        first.version,
        first.path,
        first.digest,
    )
    assert len(list_served(base)) == 1


def test_an_older_model_is_pushed_again(push, base):
    push(1)
    push(2)
    assert not push(1).already_newest
    assert len(list_served(base)) == 3


def test_a_damaged_newest_version_is_pushed_again(push, base):
    first = push()
    with open(os.path.join(first.path, "variables", "variables.index"), "wb") as file:
        file.write(b"other")
    second = push()
    assert not second.already_newest
    assert second.version > first.version


def test_versions_grow_within_one_second(push):
    numbers = [push(seed).version for seed in range(3)]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("name", ["99999999999", "0099999999999", "+99999999999"])
def test_a_version_from_the_future_is_exceeded(push, base, name):
    (base / name).mkdir(parents=True)
    assert push().version == 100_000_000_000


def test_a_file_called_by_a_number_takes_it(push, base):
    base.mkdir()
    (base / "99999999999").write_text("not a model")
    assert push().version == 100_000_000_000


def test_the_largest_number_of_all_is_an_error(push, base):
    (base / str(2**63 - 1)).mkdir(parents=True)
    with pytest.raises(ValueError, match="servers read no larger number"):
        push()


def test_a_removed_version_does_not_return(push, base):
    (base / "99999999999").mkdir(parents=True)
    first = push(1)
    shutil.rmtree(base / "99999999999")
    shutil.rmtree(first.path)
    assert push(2).version == first.version + 1


@pytest.mark.parametrize(("note", "version"), [("99999999999\n", 100_000_000_000), ("x", None)])
def test_the_note_of_an_older_release_counts(push, base, note, version):
    base.mkdir()
    (base / ".highest_version").write_text(note)
    pushed = push().version
    assert pushed == version if version else pushed <= time.time()


def test_the_smallest_versions_are_removed(push, base):
    (base / "7").mkdir(parents=True)  # not pushed by us: stays
    pushed = [push(seed).version for seed in range(4)]
    last = push(4, keep_versions=2)
    assert last.removed == tuple(pushed[:3])
    assert list_served(base) == [str(last.version), str(pushed[3]), "7"]
    assert Records(str(base)).get(pushed[0]).removed
    assert sorted(os.listdir(base)) == sorted([*list_served(base), ".pushes"])
    # Its number stays taken.
    assert pushed[0] in Records(str(base)).numbers


def test_what_is_no_record_is_named(push, base):
    pushed = push()
    path = base / ".pushes" / f"{pushed.version}.json"
    path.write_text(json.dumps({"format": 9}))
    with pytest.raises(ValueError, match=f"{pushed.version}.json is no record.*format 9"):
        push()


def test_a_copy_that_differs_is_not_published(push, base, monkeypatch):
    def copy_badly(source, file):
        file.write(b"gra")

    monkeypatch.setattr(content_module, "_copy_into", copy_badly)
    with pytest.raises(OSError, match=r"differs from it in assets/words\.txt, saved_model\.pb"):
        push()
    assert list_served(base) == []
    assert not [name for name in os.listdir(base / ".pushes") if name.startswith("staging")]


def test_a_model_that_changes_while_it_is_pushed(tmp_path, base):
    model = write_model(tmp_path / "model")
    content = read_content(str(model))
    (model / "variables" / "variables.index").write_bytes(b"another run")
    with pytest.raises(OSError, match=r"variables\.index: the model was changed meanwhile"):
        push_content(content, str(base), PusherOptions())
    assert list_served(base) == []


def test_a_full_disk_leaves_nothing(tmp_path, base):
    """The limit on file sizes makes real writes fail, as a full disk does."""
    content = read_content(str(write_model(tmp_path / "model", size=1 << 20)))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OSError, match=r"cannot be copied|differs from it|too large"):
            push_content(content, str(base), PusherOptions())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list_served(base) == []
    assert not [name for name in os.listdir(base / ".pushes") if name.startswith("staging")]


def test_a_linked_directory_is_copied(tmp_path, base):
    model = write_model(tmp_path / "model")
    shutil.move(model / "assets", tmp_path / "elsewhere")
    (model / "assets").symlink_to(tmp_path / "elsewhere")
    pushed = push_content(read_content(str(model)), f"file://{base}/", PusherOptions())
    assert "assets/words.txt" in read_tree(pushed.path)


def test_another_push_is_waited_for(push, base):
    holding, done = threading.Event(), threading.Event()

    def hold():
        with hold_serving_dir(str(base), 0):
            holding.set()
            done.wait()

    other = threading.Thread(target=hold)
    other.start()
    holding.wait()
    try:
        who = f"process {os.getpid()} on {socket.gethostname()} has been pushing to"
        with pytest.raises(TimeoutError, match=f"{who}.*`lock_timeout_secs` allows"):
            push(lock_timeout_secs=0.2)
        threading.Timer(0.3, done.set).start()
        assert push().version
    finally:
        done.set()
        other.join()
