"""Pushes to a file system without a rename of directories, through TFX's registry."""

import threading

import pytest
from helpers import object_store
from helpers.object_store import ObjectStore
from helpers.serving_models import INTEGER, read_tree, write_model

from tfx_tpu_estimator.components.pusher import claims
from tfx_tpu_estimator.components.pusher.content import read_content
from tfx_tpu_estimator.components.pusher.history import read_history
from tfx_tpu_estimator.components.pusher.options import PusherOptions
from tfx_tpu_estimator.components.pusher.rollback import roll_back
from tfx_tpu_estimator.components.pusher.versions import push_content

BASE = "objects://bucket/serving"


def read_versions():
    """Returns what a server sees: the files of each version."""
    versions = {}
    for name, content in ObjectStore.objects.items():
        version, _, file = name.removeprefix(BASE + "/").partition("/")
        if INTEGER.fullmatch(version):
            versions.setdefault(int(version), {})[file] = content
    return versions


class Bucket:
    """The store, models to push, and what a server saw after each change."""

    def __init__(self, root):
        self.models = [write_model(root / f"m{i}", i) for i in range(4)]
        self.trees = [read_tree(model) for model in self.models]
        self.faults = []
        self.partial = 0
        ObjectStore.on_change = staticmethod(self.look)

    def look(self):
        """Loads every version that has a saved_model.pb: others cannot be loaded."""
        for version, tree in read_versions().items():
            if "saved_model.pb" not in tree:
                self.partial += 1
            elif tree not in self.trees:
                self.faults.append((version, sorted(tree)))

    def push(self, index, **options):
        content = read_content(str(self.models[index]))
        return push_content(content, BASE + "/", PusherOptions(**options))


@pytest.fixture
def bucket(tmp_path):
    object_store.register()
    ObjectStore.reset()
    yield Bucket(tmp_path)
    ObjectStore.reset()


def check_clean():
    names = {name.removeprefix(BASE + "/").split("/")[0] for name in ObjectStore.objects}
    assert names == {".pushes", *map(str, read_versions())}
    left = {n for n in ObjectStore.objects if "/.pushes/" in n and not n.endswith(".json")}
    assert left == set()


def test_what_can_be_loaded_is_whole(bucket):
    first = bucket.push(0)
    assert bucket.push(0).already_newest
    second = bucket.push(1)
    third = bucket.push(2, keep_versions=2)
    assert third.removed == (first.version,)
    back = roll_back(BASE)
    assert back.rolled_back_to == second.version
    assert read_versions()[back.version] == bucket.trees[1]
    assert [entry.state for entry in read_history(BASE)] == ["served", "there", "there", "removed"]
    assert bucket.faults == []
    # That a part is there is what cannot be helped; without saved_model.pb it is no model.
    assert bucket.partial > 0
    check_clean()


def test_stopped_after_every_change(bucket, monkeypatch):
    """Nothing runs any more then, not even what cleans up: as after SIGKILL."""
    monkeypatch.setattr(claims, "STALE_SECS", 0.0)
    changes, finished = 0, False
    while not finished:
        ObjectStore.changes_left = changes
        try:
            bucket.push(changes % 4, keep_versions=2)
            finished = True
        except OSError:
            changes += 1
        ObjectStore.changes_left = None
        assert bucket.faults == []
    assert changes > 10
    bucket.push((changes + 1) % 4)
    check_clean()
    assert all("saved_model.pb" in tree for tree in read_versions().values())


def test_pushes_at_once_take_turns(bucket, monkeypatch):
    monkeypatch.setattr(claims, "_LOOK_SECS", 0.05)
    threads = [threading.Thread(target=bucket.push, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = read_history(BASE)
    assert len({entry.record.digest for entry in history}) == 4
    versions = [entry.version for entry in history]
    assert [entry.record.previous_version for entry in history] == [*versions[1:], None]
    assert bucket.faults == []
    check_clean()


def test_a_claim_that_is_renewed_is_respected(bucket):
    with claims.hold_claim(BASE, 0):
        with pytest.raises(TimeoutError, match=r"process \d+ on .* has been pushing to objects"):
            bucket.push(0, lock_timeout_secs=0)
        assert read_versions() == {}
    assert bucket.push(0).version
