import gc
import threading
import time
import types
import weakref

import numpy as np
import pytest
import tensorflow as tf
from helpers.host_inputs import deploy, join_steps, make_range_input, read_loops

from tfx_tpu_estimator.inputs import host_stream
from tfx_tpu_estimator.inputs.host_stream import THREAD_NAME, HostStream, plan_loops

tf1 = tf.compat.v1
ENDLESS = make_range_input(64, repeat=True)


def count_threads():
    return sum(thread.name == THREAD_NAME for thread in threading.enumerate())


def wait_until(condition):
    while not condition():
        time.sleep(0.005)


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    assert count_threads() == 0


@pytest.mark.parametrize(
    ("loop_steps", "total", "expected"),
    [(4, 10, [4, 4, 2]), (4, 8, [4, 4]), (16, 3, [3]), (1, 2, [1, 1]), (4, 0, [])],
)
def test_loops_land_on_the_wanted_step(loop_steps, total, expected):
    loops = read_loops(deploy(ENDLESS), loop_steps, total)
    assert [loop.steps for loop in loops] == expected
    assert [loop.first_step for loop in loops] == [sum(expected[:i]) for i in range(len(expected))]
    assert [loop.batches[0].shape for loop in loops] == [(k, 2, 4) for k in expected]


def test_end_of_the_input_makes_a_shorter_last_loop():
    with HostStream(deploy(make_range_input(24)), next_loop=plan_loops(2)) as stream:
        loops = list(stream)
        assert stream.input_ended
        assert next(stream, None) is None
    assert [loop.steps for loop in loops] == [2, 1]
    np.testing.assert_array_equal(join_steps(loops).ravel(), np.arange(24))


def test_plan_that_is_done_is_not_the_end_of_the_input():
    with HostStream(deploy(ENDLESS), next_loop=plan_loops(2, 4)) as stream:
        assert len(list(stream)) == 2
        assert not stream.input_ended


def test_placing_happens_in_the_background_while_the_caller_works():
    placed = []
    gate = threading.Event()

    def place(arrays):
        placed.append(threading.current_thread().name)
        if len(placed) == 3:
            gate.wait()
        return arrays[0].sum()

    stream = HostStream(deploy(ENDLESS), next_loop=plan_loops(2), place=place)
    with stream:
        first = next(stream)
        wait_until(lambda: len(placed) == 3)
        second = next(stream)  # while the third cannot be placed
        gate.set()
    assert (first.batches, second.batches) == (sum(range(16)), sum(range(16, 32)))
    assert set(placed) == {THREAD_NAME}


def test_how_long_the_caller_waited_is_added_up(monkeypatch):
    times = iter([10.0, 12.5, 20.0, 20.25])
    monkeypatch.setattr(host_stream, "time", types.SimpleNamespace(monotonic=times.__next__))
    with HostStream(deploy(ENDLESS), next_loop=plan_loops(1)) as stream:
        next(stream)
        assert stream.seconds_waited == 2.5
        next(stream)
        assert stream.seconds_waited == 2.75


@pytest.mark.parametrize("ahead", [1, 2, 3])
def test_it_stays_so_many_loops_ahead(ahead):
    placed = []
    stream = HostStream(
        deploy(ENDLESS), next_loop=plan_loops(1), place=placed.append, loops_ahead=ahead
    )
    with stream:
        wait_until(lambda: len(placed) == ahead)
        time.sleep(0.05)
        assert len(placed) == ahead
        next(stream)
        wait_until(lambda: len(placed) == ahead + 1)


def test_loops_that_were_used_are_freed():
    made = []

    class Placed:
        pass

    def place(arrays):
        placed = Placed()
        made.append(weakref.ref(placed))
        return placed

    with HostStream(deploy(ENDLESS), next_loop=plan_loops(1, 50), place=place) as stream:
        for _ in stream:
            alive = sum(ref() is not None for ref in made)
            # The one that the caller has, one that is ready, one that is being made.
            assert alive <= 3
    assert len(made) == 50


def test_length_of_loops_may_change_as_it_runs():
    lengths = [1]
    stream = HostStream(deploy(ENDLESS), next_loop=lambda done: lengths[0], loops_ahead=1)
    with stream:
        next(stream)
        lengths[0] = 3
        assert 3 in [next(stream).steps, next(stream).steps]


def raise_at(count, error):
    def generate():
        yield from (np.full([8], i, np.int64) for i in range(count))
        raise error

    return lambda params: tf.data.Dataset.from_generator(
        generate, output_signature=tf.TensorSpec([8], tf.int64)
    )


def test_errors_of_the_input_come_after_the_loops_before_them():
    with HostStream(deploy(raise_at(3, KeyError("lost"))), next_loop=plan_loops(1)) as stream:
        assert [next(stream).steps for _ in range(3)] == [1, 1, 1]
        with pytest.raises(tf.errors.OpError, match="lost"):
            next(stream)
        assert next(stream, None) is None


def test_damaged_records_keep_their_error(tmp_path):
    path = tmp_path / "data.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for _ in range(20):
            writer.write(b"01234567")
    damaged = bytearray(path.read_bytes())
    damaged[-30] ^= 255
    path.write_bytes(bytes(damaged))

    def input_fn(params):
        data = tf.data.TFRecordDataset(str(path)).map(lambda r: tf.io.decode_raw(r, tf.uint8))
        return data.map(lambda x: tf.ensure_shape(x, [8])).batch(8, drop_remainder=True)

    with pytest.raises(tf.errors.DataLossError):
        read_loops(deploy(input_fn))


def test_errors_of_placing_are_raised():
    def place(arrays):
        raise MemoryError("device is full")

    with pytest.raises(MemoryError, match="device is full"):
        read_loops(deploy(ENDLESS), place=place)


def test_closing_at_any_time_ends_the_thread():
    stream = HostStream(deploy(ENDLESS), next_loop=plan_loops(2))
    stream.close()
    stream.close()
    assert next(stream, None) is None
    stream = HostStream(deploy(ENDLESS), next_loop=plan_loops(2))
    next(stream)
    assert count_threads() == 1
    stream.close()


def test_closing_cancels_an_input_that_waits():
    looking = threading.Event()

    def is_wanted(x):
        looking.set()
        return x > 5

    def input_fn(params):
        # An endless search for an example that never comes.
        data = tf.data.Dataset.range(2).repeat()
        return data.filter(lambda x: tf1.py_func(is_wanted, [x], tf.bool)).batch(8, True)

    stream = HostStream(deploy(input_fn), next_loop=plan_loops(1))
    looking.wait()
    stream.close()
    assert count_threads() == 0


def test_stream_that_nobody_holds_ends():
    stream = HostStream(deploy(ENDLESS), next_loop=plan_loops(2))
    next(stream)
    del stream
    gc.collect()
    assert count_threads() == 0


def test_two_streams_in_turns():
    first, second = (HostStream(deploy(ENDLESS), next_loop=plan_loops(1, 3)) for _ in range(2))
    with first, second:
        pairs = list(zip(first, second, strict=True))
    for one, other in pairs:
        np.testing.assert_array_equal(one.batches[0], other.batches[0])
    assert len(pairs) == 3


def test_loops_ahead_must_be_positive():
    with pytest.raises(ValueError, match="`loops_ahead` must be at least 1"):
        HostStream(deploy(ENDLESS), next_loop=plan_loops(1), loops_ahead=0)
