"""Numbered directories of exports: which there are, and which are deleted."""

import pytest

from tfx_tpu_estimator.export.versions import delete_old_versions, list_versions


def make(directory, *names):
    for name in names:
        (directory / name).mkdir()
        (directory / name / "saved_model.pb").write_text("model")
    return str(directory)


def test_only_directories_named_by_digits_count(tmp_path):
    path = make(tmp_path, "9", "1700000000", "17000000001", "temp-3", "007", "x1", "-4", "²")
    assert list_versions(path) == [9, 1700000000, 17000000001]


@pytest.mark.parametrize(
    ("keep", "latest", "deleted"),
    [
        (None, 12, []),
        (3, 12, [3]),
        (1, 12, [3, 7, 11]),
        (9, 12, []),
        # The clock went back: the newest export has a lower number than an old one.
        (1, 7, [3, 11, 12]),
        (2, 3, [7, 11]),
    ],
)
def test_old_exports_are_deleted(tmp_path, keep, latest, deleted):
    path = make(tmp_path, "3", "7", "11", "12", "temp-1")
    assert delete_old_versions(path, keep, latest) == deleted
    left = sorted({3, 7, 11, 12} - set(deleted))
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["temp-1", *map(str, left)])


def test_what_a_deletion_that_was_interrupted_has_left_is_no_hindrance(tmp_path):
    path = make(tmp_path, "3", "4", "temp-deleted-3")
    delete_old_versions(path, 1, 4)
    assert list_versions(path) == [4]
