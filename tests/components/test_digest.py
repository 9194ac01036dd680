"""Tests of digests."""

import hashlib
import re

import pytest

from tfx_tpu_estimator.components import digest


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "x.txt").write_text("one")
    (tmp_path / "a" / "b" / "y.txt").write_text("two")
    return tmp_path


def test_file_digest_is_sha256(tree):
    assert digest.compute_file_digest(str(tree / "x.txt")) == hashlib.sha256(b"one").hexdigest()


def test_lists_files_by_relative_path(tree):
    assert digest.list_files_below(str(tree) + "/") == ["a/b/y.txt", "x.txt"]


def test_same_content_elsewhere_has_the_same_digest(tree, tmp_path_factory):
    import shutil

    other = tmp_path_factory.mktemp("other") / "copy"
    shutil.copytree(tree, other)
    assert digest.compute_directory_digest(str(other)) == digest.compute_directory_digest(str(tree))


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "x.txt").write_text("One"),
        lambda root: (root / "x.txt").rename(root / "z.txt"),
        lambda root: (root / "new").write_text(""),
    ],
    ids=["content", "name", "file"],
)
def test_any_change_shows(tree, change):
    before = digest.compute_directory_digest(str(tree))
    change(tree)
    assert digest.compute_directory_digest(str(tree)) != before


def test_excluded_names_do_not_count(tree):
    before = digest.compute_model_digest(str(tree))
    (tree / "fingerprint.pb").write_text("anything")
    assert digest.compute_model_digest(str(tree)) == before


def test_no_directory(tmp_path):
    with pytest.raises(FileNotFoundError, match="must be a directory"):
        digest.compute_directory_digest(str(tmp_path / "none"))


def test_code_digest_has_version_and_digest():
    assert re.fullmatch(r".+\+[0-9a-f]{16}", digest.code_digest())


def test_code_digest_is_the_same_where_the_components_lie_inside(tmp_path, monkeypatch):
    """An installed wheel and a checkout of the same code must share their caches."""
    import pathlib
    import shutil

    digest.code_digest.cache_clear()
    here = digest.code_digest()
    package = tmp_path / "tfx_tpu_estimator"
    shutil.copytree(next(iter(digest.tfx_tpu_estimator.__path__)), package)
    shutil.copytree(pathlib.Path(digest.__file__).parent, package / "components")
    (package / "pipelines").mkdir()
    (package / "pipelines" / "wiring.py").write_text("x = 1")
    monkeypatch.setattr(digest.tfx_tpu_estimator, "__path__", [str(package)])
    monkeypatch.setattr(digest, "__file__", str(package / "components" / "digest.py"))
    digest.code_digest.cache_clear()
    try:
        assert digest.code_digest() == here
    finally:
        digest.code_digest.cache_clear()
