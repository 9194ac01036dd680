"""Extra assets: which names and sources are taken, and what is copied."""

import pathlib

import pytest

from tfx_tpu_estimator.export.extra_assets import copy_assets_extra, validate_assets_extra


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.txt"
    path.write_text("hello")
    return path


@pytest.mark.parametrize("name", ["../b", "/b", "a/../../b", "a/../b", ".", "", "a/", "./", "//b"])
def test_names_that_leave_the_directory(name, source):
    with pytest.raises(ValueError, match=r"leaves the directory assets\.extra"):
        validate_assets_extra({"good": str(source), name: str(source)})


@pytest.mark.parametrize(
    "name", ["..\\b", "a\\..\\..\\b", "\\\\host\\b", "C:\\b", "C:/b", "C:b", "gs://b/c", "a\0b"]
)
def test_names_that_leave_it_on_other_systems(name, source):
    with pytest.raises(ValueError, match=r"not a path that every system understands.*'/'"):
        validate_assets_extra({name: str(source)})


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((3,), r"keys must be strings.*got 3"),
        ((b"a",), r"keys must be strings.*got b'a'"),
        (("a/b", "a//b"), r"'a/b' and 'a//b' are the same path"),
        (("a", "a/b/c"), r"'a' is a file, so that it cannot be the directory of 'a/b/c'"),
    ],
)
def test_names_that_do_not_go_together(names, message, source):
    with pytest.raises(ValueError, match=message):
        validate_assets_extra(dict.fromkeys(names, str(source)))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["a"], r"must be a dict .*got \['a'\]"),
        ({"a": "no/such/file"}, "'no/such/file', which does not exist"),
        ({"a": None}, "must be paths of files; got None"),
        ({"a": "."}, "is a directory. Name each of its files"),
    ],
)
def test_wrong_sources(given, message):
    with pytest.raises(ValueError, match=message):
        validate_assets_extra(given)


def test_a_link_is_copied_as_what_it_names(tmp_path, source):
    (tmp_path / "link").symlink_to(source)
    assets = {"deep/er/a.txt": tmp_path / "link", "a..b": str(source), "ü b.txt": str(source)}
    validate_assets_extra(assets)
    copy_assets_extra(assets, str(tmp_path / "export"))
    copied = pathlib.Path(tmp_path, "export", "assets.extra")
    assert not (copied / "deep/er/a.txt").is_symlink()
    assert {p.name: p.read_text() for p in copied.rglob("*") if p.is_file()} == {
        "a.txt": "hello",
        "a..b": "hello",
        "ü b.txt": "hello",
    }


@pytest.mark.parametrize("nothing", [None, {}])
def test_none_at_all(nothing):
    validate_assets_extra(nothing)
