import pytest
import tensorflow as tf

from tfx_tpu_estimator.checkpoints.state_file import (
    CheckpointState,
    KeptCheckpoint,
    format_state,
    list_kept,
    read_state,
    scan_directory,
)
from tfx_tpu_estimator.errors import DataCorruptionError


def touch(directory, *steps):
    for step in steps:
        (directory / f"model.ckpt-{step}.index").write_text("")


def state_of(directory, *steps, last_preserved=None):
    kept = tuple(KeptCheckpoint(f"{directory}/model.ckpt-{s}", 10.0 * s) for s in steps)
    return CheckpointState(latest=kept[-1].prefix, kept=kept, last_preserved=last_preserved)


def test_what_is_written_is_read_again_and_by_tensorflow(tmp_path):
    state = state_of(tmp_path, 1, 2, last_preserved=5.0)
    (tmp_path / "checkpoint").write_text(format_state(state))
    assert read_state(str(tmp_path)) == state
    theirs = tf.train.get_checkpoint_state(str(tmp_path))
    assert theirs.model_checkpoint_path == state.latest
    assert list(theirs.all_model_checkpoint_paths) == [c.prefix for c in state.kept]


def test_reading_it_logs_nothing(tmp_path, caplog):
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-1"')
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("INFO")
    logger.addHandler(caplog.handler)
    try:
        read_state(str(tmp_path))
    finally:
        logger.removeHandler(caplog.handler)
        logger.setLevel(level)
    assert caplog.messages == []


def test_without_times_those_of_the_files_count(tmp_path):
    touch(tmp_path, 1)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-1"')
    (kept,) = read_state(str(tmp_path)).kept
    stat = (tmp_path / "model.ckpt-1.index").stat()
    assert kept.timestamp == pytest.approx(stat.st_mtime, abs=1)


def test_what_counts_when_a_run_goes_on(tmp_path):
    assert list_kept(str(tmp_path)) == ((), None)
    touch(tmp_path, 1, 3)
    (tmp_path / "checkpoint").write_text(
        format_state(state_of(tmp_path, 3, 2, 1, last_preserved=7.0))
    )
    kept, last_preserved = list_kept(str(tmp_path))
    assert [c.prefix[-1] for c in kept] == ["3", "1"]  # 2 is gone
    assert last_preserved == 7.0
    (tmp_path / "checkpoint").write_text("}")
    kept, last_preserved = list_kept(str(tmp_path))
    assert [c.prefix[-1] for c in kept] == ["1", "3"]
    assert last_preserved is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"model_checkpoint_path", "is no checkpoint state file"),
        (b"\xff\xfe", "is no checkpoint state file"),
        (b"last_preserved_timestamp: 1", "names no checkpoint"),
    ],
)
def test_garbage(tmp_path, content, message):
    (tmp_path / "checkpoint").write_bytes(content)
    with pytest.raises(DataCorruptionError, match=message):
        read_state(str(tmp_path))


def test_only_checkpoints_of_training_lie_in_a_directory(tmp_path):
    touch(tmp_path, 10, 9, "9-replaced")
    (tmp_path / "ema-3.index").write_text("")
    (tmp_path / "model.ckpt-11.data-00000-of-00001").write_text("")
    found = [c.prefix.rpartition("-")[2] for c in scan_directory(str(tmp_path))]
    assert found == ["9", "10"]
    assert scan_directory(str(tmp_path / "nowhere")) == ()
