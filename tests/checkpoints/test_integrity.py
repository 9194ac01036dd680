"""Finding the latest checkpoint that can be read whole, among really damaged files."""

import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
from helpers.variables import build_graph, describe, make_values, read_checkpoint

from tfx_tpu_estimator.checkpoints import integrity
from tfx_tpu_estimator.checkpoints.integrity import find_latest_whole, find_problem, validate_whole
from tfx_tpu_estimator.checkpoints.writer import CheckpointWriter
from tfx_tpu_estimator.errors import DataCorruptionError

DATA = ".data-00000-of-00001"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A directory with the checkpoints 1, 2 and 3."""
    directory = tmp_path_factory.mktemp("written")
    graph, saver = build_graph()
    with CheckpointWriter(str(directory), describe(graph, saver)) as writer:
        for step in (1, 2, 3):
            writer.save(make_values(graph, step), step)
    return directory


@pytest.fixture
def model_dir(written, tmp_path):
    shutil.copytree(written, tmp_path / "m")
    return tmp_path / "m"


def truncate(path):
    os.truncate(path, os.path.getsize(path) // 2)


def flip(path, position=None):
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if position is None else position] ^= 0x10
    path.write_bytes(bytes(content))


def empty(path):
    path.write_bytes(b"")


DAMAGES = [
    ("truncated data", DATA, truncate, r"3\.data-00000-of-00001 has \d+ bytes where \d+ are need"),
    ("empty data", DATA, empty, r"has 0 bytes where \d+ are needed"),
    ("missing data", DATA, os.remove, r"ckpt-3\.data-00000-of-00001 is missing"),
    ("flipped byte in data", DATA, flip, r"the data of `.+` in .*ckpt-3\.data-\* is damaged"),
    ("flipped byte in index", ".index", flip, r"ckpt-3\.index is damaged \(checksum mismatch"),
    ("truncated index", ".index", truncate, r"ckpt-3\.index is damaged \(its end is not"),
    ("empty index", ".index", empty, r"ckpt-3\.index is damaged \(its end is not"),
    ("missing index", ".index", os.remove, r"ckpt-3\.index is missing"),
]
damages = pytest.mark.parametrize(
    ("suffix", "damage", "message"), [d[1:] for d in DAMAGES], ids=[d[0] for d in DAMAGES]
)


def test_the_latest_is_used_when_it_is_whole(model_dir, caplog):
    assert find_latest_whole(str(model_dir)) == str(model_dir / "model.ckpt-3")
    assert caplog.text == ""


@damages
def test_a_corrupt_latest_gives_the_one_before(model_dir, caplog, suffix, damage, message):
    damage(model_dir / f"model.ckpt-3{suffix}")
    used = find_latest_whole(str(model_dir))
    assert used == str(model_dir / "model.ckpt-2")
    assert read_checkpoint(used)["global_step"] == 2
    (record,) = [r for r in caplog.records if r.name.startswith("tfx_tpu_estimator")]
    assert record.levelname == "WARNING"
    text = record.getMessage()
    assert text.startswith(f"Using checkpoint {used}, because {model_dir / 'model.ckpt-3'} is corr")
    with pytest.raises(DataCorruptionError, match=message):
        validate_whole(str(model_dir / "model.ckpt-3"), "checkpoint_path")


@damages
def test_all_corrupt_is_an_error_that_names_all(model_dir, suffix, damage, message):
    for step in (1, 2, 3):
        damage(model_dir / f"model.ckpt-{step}{suffix}")
    with pytest.raises(ValueError, match=r"All checkpoints of `model_dir` .* are corrupt") as info:
        find_latest_whole(str(model_dir))
    for step in (1, 2, 3):
        assert f"model.ckpt-{step} is corrupt" in str(info.value)


@pytest.mark.parametrize("content", [b"garbage {", b"\x00\xff\xfe", b"", b"unknown: 1"])
def test_garbage_instead_of_the_state_file(model_dir, caplog, content):
    (model_dir / "checkpoint").write_bytes(content)
    assert find_latest_whole(str(model_dir)) == str(model_dir / "model.ckpt-3")
    assert "The checkpoints are taken from the directory instead" in caplog.text
    # A writer goes on from there, and what it keeps counts the old ones.
    graph, saver = build_graph()
    with CheckpointWriter(str(model_dir), describe(graph, saver), 2) as writer:
        writer.save(make_values(graph, 4), 4)
    assert find_latest_whole(str(model_dir)) == str(model_dir / "model.ckpt-4")
    assert not (model_dir / "model.ckpt-2.index").exists()


def test_steps_count_as_numbers(model_dir):
    for suffix in (".index", DATA):
        os.rename(model_dir / f"model.ckpt-1{suffix}", model_dir / f"model.ckpt-10{suffix}")
    (model_dir / "checkpoint").write_bytes(b"{")
    assert find_latest_whole(str(model_dir)) == str(model_dir / "model.ckpt-10")


def test_no_checkpoint(tmp_path):
    assert find_latest_whole(str(tmp_path / "nowhere")) is None
    assert find_latest_whole(str(tmp_path)) is None


def delete(model_dir, *steps):
    for step in steps:
        for suffix in (".index", DATA):
            os.remove(model_dir / f"model.ckpt-{step}{suffix}")


def test_deleted_checkpoints_are_not_corrupt(model_dir, caplog):
    delete(model_dir, 3)
    assert find_latest_whole(str(model_dir)) == str(model_dir / "model.ckpt-2")
    assert f"{model_dir / 'model.ckpt-3'} is gone" in caplog.text
    delete(model_dir, 1, 2)
    assert find_latest_whole(str(model_dir)) is None
    assert "counts as a directory without a checkpoint" in caplog.text


def test_going_back_on_purpose(model_dir):
    state = model_dir / "checkpoint"
    state.write_text(
        state.read_text().replace(
            'model_checkpoint_path: "model.ckpt-3"', 'model_checkpoint_path: "model.ckpt-2"', 1
        )
    )
    assert find_latest_whole(str(model_dir)).endswith("-2")
    flip(model_dir / "model.ckpt-2.index")
    assert find_latest_whole(str(model_dir)).endswith("-1")


def test_a_moved_directory_with_absolute_paths(model_dir):
    (model_dir / "checkpoint").write_text(
        'model_checkpoint_path: "/somewhere/else/model.ckpt-3"\n'
        'all_model_checkpoint_paths: "/somewhere/else/model.ckpt-2"\n'
        'all_model_checkpoint_paths: "/somewhere/else/model.ckpt-3"\n'
    )
    assert find_latest_whole(str(model_dir)) == str(model_dir / "model.ckpt-3")


def test_every_flipped_byte_of_the_index_is_seen(model_dir):
    path = model_dir / "model.ckpt-3.index"
    whole = path.read_bytes()
    unseen = []
    for position in range(len(whole)):
        flip(path, position)
        if find_problem(str(model_dir / "model.ckpt-3")) is None:
            unseen.append(position)
        path.write_bytes(whole)
    # Only the padding of the footer has no meaning and no checksum.
    assert all(len(whole) - 48 <= p < len(whole) - 8 for p in unseen)
    assert find_problem(str(model_dir / "model.ckpt-3")) is None


def test_every_truncation_is_seen(model_dir):
    for suffix in (".index", DATA):
        path = model_dir / f"model.ckpt-3{suffix}"
        whole = path.read_bytes()
        for length in range(0, len(whole), 7):
            path.write_bytes(whole[:length])
            assert find_problem(str(model_dir / "model.ckpt-3"), check_tensors=False), length
        path.write_bytes(whole)


def test_a_whole_checkpoint_is_read_once_until_it_changes(model_dir, monkeypatch):
    reads = []
    check = integrity._check_tensors
    monkeypatch.setattr(
        integrity, "_check_tensors", lambda p, index: (reads.append(p), check(p, index))
    )
    prefix = model_dir / "model.ckpt-3"
    for _ in range(3):
        assert find_problem(str(prefix)) is None
    assert len(reads) == 1
    flip(model_dir / f"model.ckpt-3{DATA}")
    assert "is damaged" in find_problem(str(prefix))
    assert find_problem(str(prefix), check_tensors=False) is None


def test_checkpoints_of_a_sharded_saver(tmp_path):
    # Two data files, made by merging two bundles.
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        parts = [str(tmp_path / f"part-{i}") for i in range(2)]
        for i, part in enumerate(parts):
            session.run(
                tf.raw_ops.SaveV2(
                    prefix=part,
                    tensor_names=[f"v{i}"],
                    shape_and_slices=[""],
                    tensors=[np.arange(3.0) + i],
                )
            )
        prefix = str(tmp_path / "model.ckpt-1")
        session.run(
            tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=prefix)
        )
    assert find_problem(prefix) is None
    os.remove(f"{prefix}.data-00001-of-00002")
    assert find_problem(prefix).endswith("model.ckpt-1.data-00001-of-00002 is missing")


@pytest.fixture
def sliced(tmp_path):
    """A checkpoint of a partitioned variable, and of a slot of which one slice alone is stored."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        partitioner = tf.compat.v1.fixed_size_partitioner(2)
        tf.compat.v1.get_variable("table", [5, 3], partitioner=partitioner)
        slot = tf.compat.v1.get_variable("slot", [3, 3])
        slot._set_save_slice_info(
            tf.Variable.SaveSliceInfo("table/Adagrad", [5, 3], [0, 0], [3, 3])
        )
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver()
        saver.save(session, str(tmp_path / "model.ckpt"), global_step=1)
    return tmp_path


def test_slices_of_partitioned_variables_and_of_their_slots(sliced):
    prefix = find_latest_whole(str(sliced))
    assert prefix == str(sliced / "model.ckpt-1")
    with pytest.raises(ValueError, match="sufficient slices"):
        tf.train.load_variable(prefix, "table/Adagrad")


@pytest.mark.parametrize("position", [0, 70, 4 * 15 + 2])
def test_a_damaged_slice(sliced, position):
    flip(sliced / ("model.ckpt-1" + DATA), position)
    with pytest.raises(DataCorruptionError, match=r"the data of `table(/Adagrad)?` .* is damaged"):
        find_latest_whole(str(sliced))
