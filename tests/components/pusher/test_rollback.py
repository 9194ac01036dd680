"""Tests of going back to an earlier version."""

import os
import pathlib
import shutil

import pytest
from helpers.serving_models import list_served, read_tree, write_model

from tfx_tpu_estimator.components.pusher.content import read_content
from tfx_tpu_estimator.components.pusher.options import PusherOptions
from tfx_tpu_estimator.components.pusher.records import Records
from tfx_tpu_estimator.components.pusher.rollback import RollbackError, roll_back
from tfx_tpu_estimator.components.pusher.versions import RolledBackError, push_content


class Serving:
    """A serving directory with the versions of three models, oldest first."""

    def __init__(self, root: pathlib.Path):
        self.root = root
        self.base = root / "serving"
        self.versions = [self.push(seed).version for seed in range(3)]

    def push(self, seed, **options):
        model = write_model(self.root / f"model{seed}", seed)
        return push_content(read_content(str(model)), str(self.base), PusherOptions(**options))

    def served(self):
        """Index of the model that a server would serve."""
        tree = read_tree(self.base / list_served(self.base)[0])
        return [read_tree(self.root / f"model{seed}") for seed in range(3)].index(tree)


@pytest.fixture
def serving(tmp_path):
    return Serving(tmp_path)


def test_a_new_version_with_the_content_before(serving):
    back = roll_back(str(serving.base))
    assert back.version > serving.versions[2]
    assert back.rolled_back_from == serving.versions[2]
    assert back.rolled_back_to == serving.versions[1]
    assert serving.served() == 1
    assert len(list_served(serving.base)) == 4
    record = Records(str(serving.base)).get(back.version)
    assert (record.kind, record.rolled_back_to) == ("rollback", serving.versions[1])
    assert record.previous_version == serving.versions[2]
    assert record.source == str(serving.base / str(serving.versions[1]))


def test_again_goes_back_one_more(serving):
    roll_back(str(serving.base))
    assert roll_back(str(serving.base)).rolled_back_to == serving.versions[0]
    assert serving.served() == 0
    with pytest.raises(RollbackError, match=f"no version before {serving.versions[0]}"):
        roll_back(str(serving.base))


def test_to_a_version_given(serving):
    assert roll_back(str(serving.base), serving.versions[0]).rolled_back_to == serving.versions[0]
    assert serving.served() == 0
    # And forward again.
    roll_back(str(serving.base), serving.versions[2])
    assert serving.served() == 2


def test_what_is_served_already_is_left(serving):
    back = roll_back(str(serving.base), serving.versions[2])
    assert back.already_newest
    assert len(list_served(serving.base)) == 3


def test_what_was_rolled_back_is_not_pushed_again(serving):
    roll_back(str(serving.base))
    with pytest.raises(RolledBackError, match=f"is version {serving.versions[2]}, from which"):
        serving.push(2)
    roll_back(str(serving.base))
    for seed in (1, 2):
        with pytest.raises(RolledBackError, match="--allow-rolled-back"):
            serving.push(seed)
    assert serving.push(2, allow_rolled_back=True).version == int(list_served(serving.base)[0])
    assert serving.push(1).version == int(list_served(serving.base)[0])


def test_missing_versions(serving, tmp_path):
    with pytest.raises(RollbackError, match=r"nothing has no versions"):
        roll_back(str(tmp_path / "nothing"))
    assert not (tmp_path / "nothing").exists()
    with pytest.raises(RollbackError, match=r"has no version 7\. Versions there: \d+, \d+, \d+"):
        roll_back(str(serving.base), 7)
    serving.push(3, keep_versions=2)
    with pytest.raises(RollbackError, match=r"has no version \d+; it was removed at 20"):
        roll_back(str(serving.base), serving.versions[0])


def test_a_changed_version_is_refused(serving):
    (serving.base / str(serving.versions[1]) / "assets" / "words.txt").write_text("changed")
    with pytest.raises(RollbackError, match="are not those that were pushed at 20"):
        roll_back(str(serving.base))
    os.remove(serving.base / str(serving.versions[0]) / "saved_model.pb")
    with pytest.raises(RollbackError, match="holds no model"):
        roll_back(str(serving.base), serving.versions[0])


def test_versions_of_others_have_no_record(serving):
    shutil.rmtree(serving.base / ".pushes")
    assert roll_back(str(serving.base)).rolled_back_to == serving.versions[1]
