"""Scalars read from event files, also from such as are damaged."""

import tensorflow as tf

from tfx_tpu_estimator.summaries.event_reader import EventFiles, read_scalars
from tfx_tpu_estimator.summaries.event_writer import write_evaluation


def test_scalars_of_all_files_by_step(tmp_path):
    write_evaluation(str(tmp_path), {"a": 2.0, "array": [1.0, 2.0]}, 20)
    write_evaluation(str(tmp_path), {"a": 1.0}, 10)
    assert read_scalars(str(tmp_path)) == {10: {"a": 1.0}, 20: {"a": 2.0}}
    assert list(read_scalars(str(tmp_path))) == [10, 20]
    assert EventFiles(str(tmp_path / "*.tfevents.*")).read() == read_scalars(str(tmp_path))


def test_only_files_that_have_changed_are_read_again(tmp_path, monkeypatch):
    opened = []
    iterate = tf.compat.v1.train.summary_iterator
    monkeypatch.setattr(
        tf.compat.v1.train, "summary_iterator", lambda path: opened.append(path) or iterate(path)
    )
    files = EventFiles.of_directory(str(tmp_path))
    with tf.Graph().as_default():
        writer = tf.compat.v1.summary.FileWriter(str(tmp_path))
        for step in (1, 2):
            value = tf.compat.v1.Summary.Value(tag="a", simple_value=step)
            writer.add_summary(tf.compat.v1.Summary(value=[value]), step)
            writer.flush()
            assert files.read() == {s: {"a": float(s)} for s in range(1, step + 1)}
            assert files.read() == {s: {"a": float(s)} for s in range(1, step + 1)}
        writer.close()
    write_evaluation(str(tmp_path), {"a": 3.0}, 3)
    assert len(files.read()) == 3
    assert len(opened) == 3
    (path, *_) = tmp_path.iterdir()
    path.unlink()
    assert len(files.read()) < 3


def test_summaries_of_tensorflow_2(tmp_path):
    writer = tf.summary.create_file_writer(str(tmp_path))
    with writer.as_default():
        tf.summary.scalar("a", 0.5, step=3)
        tf.summary.text("words", "no number", step=3)
    writer.close()
    assert read_scalars(str(tmp_path)) == {3: {"a": 0.5}}


def test_a_file_that_was_cut_off_is_read_up_to_there(tmp_path, caplog):
    write_evaluation(str(tmp_path), {"a": 1.0}, 10)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + b"\x12\x34 the beginning of a record")
    assert read_scalars(str(tmp_path)) == {10: {"a": 1.0}}
    assert "its rest is damaged" in caplog.text


def test_no_files(tmp_path):
    assert read_scalars(str(tmp_path / "none")) == {}
