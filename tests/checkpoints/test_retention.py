import pytest

from tfx_tpu_estimator.checkpoints.retention import Retention
from tfx_tpu_estimator.checkpoints.state_file import KeptCheckpoint


def written_at(*hours):
    return tuple(KeptCheckpoint(f"c{hour}", 3600.0 * hour) for hour in hours)


@pytest.mark.parametrize(
    ("keep", "left", "deleted"),
    [
        (2, [3, 4], ["c1", "c2"]),
        (4, [1, 2, 3, 4], []),
        (9, [1, 2, 3, 4], []),
        (None, [1, 2, 3, 4], []),
        (0, [1, 2, 3, 4], []),
    ],
)
def test_the_newest_are_kept(keep, left, deleted):
    selection = Retention(max_to_keep=keep).select(written_at(1, 2, 3, 4), 0.0)
    assert selection.kept == written_at(*left)
    assert selection.deleted == tuple(deleted)
    assert selection.last_preserved == 0.0


def test_one_every_n_hours_is_kept_for_good():
    retention = Retention(max_to_keep=1, keep_every_n_hours=2)
    selection = retention.select(written_at(1, 2, 3, 4, 5), 0.0)
    assert selection.kept == written_at(5)
    assert selection.deleted == ("c1", "c3")  # c2 and c4 are neither kept nor deleted
    assert selection.last_preserved == 4 * 3600
