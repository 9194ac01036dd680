"""Files are written whole or not at all."""

import os
import stat

import pytest
import tensorflow as tf

from tfx_tpu_estimator.whole_files import write_file, write_local_file


@pytest.mark.parametrize("write", [write_local_file, write_file])
def test_a_file_is_written_whole(tmp_path, write):
    path = tmp_path / "report.html"
    write(str(path), "one")
    write(str(path), "zwei €")
    assert path.read_text(encoding="utf-8") == "zwei €"
    assert os.listdir(tmp_path) == ["report.html"]


def test_missing_directories_are_made_and_others_may_read(tmp_path):
    path = tmp_path / "new" / "report.html"
    mask = os.umask(0o027)
    try:
        write_local_file(path, "one")
    finally:
        os.umask(mask)
    assert path.read_text() == "one"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("write", [write_local_file, write_file])
def test_a_failed_write_leaves_what_was_there(tmp_path, write):
    path = str(tmp_path / "report.html")
    write(path, "one")
    with pytest.raises(UnicodeEncodeError, match="surrogates"):
        write(path, "\ud800")
    assert (tmp_path / "report.html").read_text() == "one"
    assert os.listdir(tmp_path) == ["report.html"]


def test_bytes_are_written_as_they_are(tmp_path):
    write_file(str(tmp_path / "x"), b"\x00\xff")
    assert (tmp_path / "x").read_bytes() == b"\x00\xff"


@pytest.mark.parametrize(
    ("write", "error"), [(write_local_file, OSError), (write_file, tf.errors.OpError)]
)
def test_a_place_that_cannot_be_written_is_said(tmp_path, write, error):
    (tmp_path / "file").write_text("")
    with pytest.raises(error, match="file"):
        write(str(tmp_path / "file" / "x"), "one")
