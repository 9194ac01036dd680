"""CheckpointWriter: the same files as a Saver's, in the background, whole at every moment."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import tensorflow as tf
from helpers.variables import build_graph, describe, make_values, read_checkpoint, read_values

from tfx_tpu_estimator.checkpoints.bundle_write import BundleWriter
from tfx_tpu_estimator.checkpoints.files import read_payload
from tfx_tpu_estimator.checkpoints.integrity import find_latest_whole, find_problem
from tfx_tpu_estimator.checkpoints.saved_tensors import SavedTensor
from tfx_tpu_estimator.checkpoints.writer import CheckpointWriter

tf1 = tf.compat.v1

ONE = SavedTensor(source="a", name="a", slice_spec="", shape=tf.TensorShape([4]), dtype=tf.float32)


def values_of(step):
    return {"a": np.full(4, step, "float32")}


def list_steps(model_dir):
    return sorted(
        int(name.split("-")[1].removesuffix(".index"))
        for name in os.listdir(model_dir)
        if name.endswith(".index")
    )


@pytest.mark.parametrize("use_resource", [True, False])
@pytest.mark.parametrize("sharded", [True, False])
def test_the_files_are_those_of_a_saver(tmp_path, use_resource, sharded):
    graph, saver = build_graph(use_resource=use_resource, sharded=sharded)
    with tf1.Session(graph=graph) as session:
        with graph.as_default():
            session.run(tf1.global_variables_initializer())
        (tmp_path / "theirs").mkdir()
        theirs = saver.save(session, str(tmp_path / "theirs" / "model.ckpt"), global_step=7)
        values = read_values(graph, session)
    with CheckpointWriter(str(tmp_path / "ours"), describe(graph, saver)) as writer:
        ours = writer.save(values, 7)
    assert os.path.basename(ours) == os.path.basename(theirs)
    ours_map, theirs_map = (
        tf.train.load_checkpoint(p).get_variable_to_shape_map() for p in (ours, theirs)
    )
    assert ours_map == theirs_map
    assert theirs_map["table"] == [10, 4]  # one name for the three parts
    assert theirs_map["table/Adam"] == [10, 4]
    for suffix in (".index", ".data-00000-of-00001"):
        with open(ours + suffix, "rb") as a, open(theirs + suffix, "rb") as b:
            assert a.read() == b.read(), suffix


def test_a_saver_restores_what_was_written(tmp_path):
    graph, saver = build_graph()
    values = make_values(graph, seed=3)
    with CheckpointWriter(str(tmp_path), describe(graph, saver)) as writer:
        writer.save(values, 3)
    # Another partitioning of the same table reads its rows too.
    for other, its_saver in [(graph, saver), build_graph(use_resource=False)]:
        with tf1.Session(graph=other) as session:
            its_saver.restore(session, tf.train.latest_checkpoint(str(tmp_path)))
            restored = read_values(other, session)
        for name, value in values.items():
            np.testing.assert_array_equal(restored[name], value)


def test_state_file_has_relative_paths(tmp_path):
    with CheckpointWriter(str(tmp_path), [ONE]) as writer:
        writer.save(values_of(1), 1)
        writer.save(values_of(2), 2)
    text = (tmp_path / "checkpoint").read_text()
    assert 'model_checkpoint_path: "model.ckpt-2"' in text
    assert str(tmp_path) not in text
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "model.ckpt-2")
    assert writer.latest_checkpoint == str(tmp_path / "model.ckpt-2")
    assert sorted(os.listdir(tmp_path)) == sorted(
        ["checkpoint"]
        + [f"model.ckpt-{s}{e}" for s in (1, 2) for e in (".index", ".data-00000-of-00001")]
    )


class SlowWriter:
    """Lets a test decide when each bundle is written; counts the writes in flight."""

    def __init__(self, monkeypatch):
        self.go, self.started = threading.Semaphore(0), threading.Event()
        self.in_flight = self.most = 0
        write = BundleWriter.write

        def slow(bundle, prefix, values):
            self.in_flight += 1
            self.most = max(self.most, self.in_flight)
            self.started.set()
            assert self.go.acquire(timeout=300)
            write(bundle, prefix, values)
            self.in_flight -= 1

        monkeypatch.setattr(BundleWriter, "write", slow)


def test_save_returns_before_the_write_and_takes_a_snapshot(tmp_path, monkeypatch):
    slow = SlowWriter(monkeypatch)
    values = values_of(1)
    with CheckpointWriter(str(tmp_path), [ONE]) as writer:
        prefix = writer.save(values, 1)
        assert slow.started.wait(300)
        assert writer.latest_checkpoint is None
        assert not (tmp_path / "checkpoint").exists()
        values["a"][:] = -1
        slow.go.release()
        writer.wait()
        assert writer.latest_checkpoint == prefix
    assert read_checkpoint(prefix)["a"].tolist() == [1, 1, 1, 1]


def test_a_second_save_waits_for_the_first(tmp_path, monkeypatch):
    slow = SlowWriter(monkeypatch)
    with CheckpointWriter(str(tmp_path), [ONE]) as writer:
        writer.save(values_of(1), 1)
        threading.Timer(0.2, slow.go.release).start()
        writer.save(values_of(2), 2)
        assert writer.latest_checkpoint.endswith("-1")
        slow.go.release()
    assert slow.most == 1
    assert list_steps(tmp_path) == [1, 2]


def test_wait_blocks_until_the_file_is_there(tmp_path):
    with CheckpointWriter(str(tmp_path), [ONE]) as writer:
        prefix = writer.save(values_of(1), 1, wait=True, copy=False)
        assert read_checkpoint(prefix)["a"].tolist() == [1, 1, 1, 1]


def block_writes(tmp_path):
    """Puts a file where the writer wants its directory, which fails for any user."""
    (tmp_path / ".checkpoint-aside").write_text("")


def test_an_error_is_raised_once_at_the_next_call(tmp_path):
    writer = CheckpointWriter(str(tmp_path), [ONE])
    writer.save(values_of(1), 1, wait=True)
    block_writes(tmp_path)
    failed = writer.save(values_of(2), 2)
    with pytest.raises(OSError, match=f"Could not write checkpoint {failed}"):
        writer.save(values_of(3), 3)
    assert find_latest_whole(str(tmp_path)).endswith("-1")
    os.remove(tmp_path / ".checkpoint-aside")
    writer.save(values_of(3), 3)
    writer.close()
    writer.close()
    assert list_steps(tmp_path) == [1, 3]
    with pytest.raises(RuntimeError, match="The CheckpointWriter is closed"):
        writer.save(values_of(4), 4)


def test_an_error_is_raised_at_close_and_does_not_hide_that_of_the_run(tmp_path, caplog):
    writer = CheckpointWriter(str(tmp_path), [ONE])
    block_writes(tmp_path)
    writer.save(values_of(2), 2)
    with pytest.raises(OSError, match="Could not write checkpoint"):
        writer.close()
    os.remove(tmp_path / ".checkpoint-aside")

    def run():
        with CheckpointWriter(str(tmp_path), [ONE]) as writer:
            block_writes(tmp_path)
            writer.save(values_of(2), 2)
            raise KeyError("of the run")

    with pytest.raises(KeyError, match="of the run"):
        run()
    assert "Could not write checkpoint" in caplog.text


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, r"`values` lacks the variables \['a'\]"),
        ({"a": np.zeros(5, "float32")}, r"has shape \[5\]; the variable has \[4\]"),
        ({"a": np.zeros(4)}, "is float64; the variable is float32"),
    ],
)
def test_values_that_do_not_fit(tmp_path, values, message):
    with (
        CheckpointWriter(str(tmp_path), [ONE]) as writer,
        pytest.raises(ValueError, match=message),
    ):
        writer.save(values, 1)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"max_to_keep": -1}, "`max_to_keep`"), ({"keep_every_n_hours": 0}, "`keep_every_n_hours`")],
)
def test_bad_retention(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        CheckpointWriter(str(tmp_path), [ONE], **arguments)


@pytest.mark.parametrize(("keep", "left"), [(2, [4, 5]), (0, [1, 2, 3, 4, 5]), (None, None)])
def test_the_newest_are_kept_across_restarts(tmp_path, keep, left):
    for steps in ([1, 2, 3], [4, 5]):
        with CheckpointWriter(str(tmp_path), [ONE], keep) as writer:
            for step in steps:
                writer.save(values_of(step), step, payload=b"{}")
    assert list_steps(tmp_path) == (left or [1, 2, 3, 4, 5])
    state = tf.train.get_checkpoint_state(str(tmp_path))
    assert len(state.all_model_checkpoint_paths) == len(left or range(5))
    payloads = [name for name in os.listdir(tmp_path) if name.endswith(".input.json")]
    assert len(payloads) == len(left or range(5))


def test_one_is_kept_for_good_every_n_hours_across_restarts(tmp_path):
    now = [1000.0]
    for steps in (range(4), range(4, 9)):
        writer = CheckpointWriter(str(tmp_path), [ONE], 1, 1.0, clock=lambda: now[0])
        with writer:
            for step in steps:
                writer.save(values_of(step), step, wait=True)
                now[0] += 0.4 * 3600
    assert list_steps(tmp_path) == [3, 6, 8]


def test_checkpoints_of_a_saver_count_and_are_deleted_whole(tmp_path):
    graph, saver = build_graph()
    with tf1.Session(graph=graph) as session:
        with graph.as_default():
            session.run(tf1.global_variables_initializer())
        saver.save(session, str(tmp_path / "model.ckpt"), global_step=1)
    assert (tmp_path / "model.ckpt-1.meta").exists()
    with CheckpointWriter(str(tmp_path), describe(graph, saver), 1) as writer:
        writer.save(make_values(graph), 2)
    assert not [name for name in os.listdir(tmp_path) if name.startswith("model.ckpt-1")]


def test_payload_lies_beside_its_checkpoint(tmp_path):
    with CheckpointWriter(str(tmp_path), [ONE], 1) as writer:
        first = writer.save(values_of(1), 1, payload=b'{"position": 1}', wait=True)
        assert read_payload(first) == b'{"position": 1}'
        second = writer.save(values_of(2), 2, payload=lambda: b'{"position": 2}', wait=True)
        assert read_payload(second) == b'{"position": 2}'
        assert read_payload(first) is None
        again = writer.save(values_of(2), 2, wait=True)
    assert read_payload(again) is None


@pytest.mark.parametrize("new", [5, 6], ids=["the same content", "other content"])
def test_the_same_step_again_replaces_it(tmp_path, new):
    with CheckpointWriter(str(tmp_path), [ONE]) as writer:
        writer.save(values_of(5), 5)
    with CheckpointWriter(str(tmp_path), [ONE]) as writer:
        prefix = writer.save(values_of(new), 5)
    assert read_checkpoint(prefix)["a"].tolist() == [new] * 4
    assert sorted(os.listdir(tmp_path)) == sorted(
        ["checkpoint", "model.ckpt-5.index", "model.ckpt-5.data-00000-of-00001"]
    )


def test_what_a_killed_run_left_aside_is_cleared(tmp_path):
    (tmp_path / ".checkpoint-aside").mkdir()
    (tmp_path / ".checkpoint-aside" / "model.ckpt-1.index").write_text("half")
    CheckpointWriter(str(tmp_path), [ONE]).close()
    assert os.listdir(tmp_path) == []


def test_works_while_another_graph_and_session_are_the_default(tmp_path):
    with tf.Graph().as_default() as graph, tf1.Session() as session:
        variable = tf1.get_variable("other", [], initializer=tf1.ones_initializer())
        graph.finalize()
        with CheckpointWriter(str(tmp_path), [ONE]) as writer:
            prefix = writer.save(values_of(1), 1)
        assert tf1.get_default_graph() is graph
        assert tf1.get_default_session() is session
        assert variable.name == "other:0"
    assert find_problem(prefix) is None


def test_strings_scalars_and_empty_arrays(tmp_path):
    arrays = {
        "s": np.array([b"one", b""], object),
        "n": np.int64(2**40),
        "e": np.zeros([0, 3], "float32"),
        "t": np.arange(6, dtype="float32").reshape(2, 3).T,
    }
    tensors = [
        SavedTensor(
            source=n,
            name=n,
            slice_spec="",
            shape=tf.TensorShape(np.shape(v)),
            dtype=tf.as_dtype(np.asarray(v).dtype) if n != "s" else tf.string,
        )
        for n, v in arrays.items()
    ]
    with CheckpointWriter(str(tmp_path), tensors) as writer:
        prefix = writer.save(arrays, 0)
    read = read_checkpoint(prefix)
    for name, value in arrays.items():
        np.testing.assert_array_equal(read[name], value)


WITHOUT_EAGER = """
import sys
import numpy as np
import tensorflow as tf
tf.compat.v1.disable_eager_execution()
from tfx_tpu_estimator.checkpoints.integrity import find_latest_whole
from tfx_tpu_estimator.checkpoints.saved_tensors import SavedTensor
from tfx_tpu_estimator.checkpoints.writer import CheckpointWriter

shape = tf.TensorShape([2])
one = SavedTensor(source="a", name="a", slice_spec="", shape=shape, dtype=tf.float32)
with CheckpointWriter(sys.argv[1], [one]) as writer:
    writer.save({"a": np.ones(2, "float32")}, 1)
assert find_latest_whole(sys.argv[1]).endswith("model.ckpt-1")
assert tf.compat.v1.get_default_graph().get_operations() == []
"""


def test_works_where_eager_execution_is_off(tmp_path):
    subprocess.run([sys.executable, "-c", WITHOUT_EAGER, str(tmp_path)], check=True)
