"""Trainings that end before their time, and go on as if they had not: to the bit."""

import logging
import os
import signal
import threading

import pytest
from helpers import resumable
from helpers.models import saved_steps
from helpers.resumable import STEPS, assert_identical, read_variables, train

from tfx_tpu_estimator.runs.preemption import TerminationWatch, TrainingTerminated


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """The model directory of a training that was not disturbed."""
    directory = tmp_path_factory.mktemp("whole")
    train(directory)
    return directory


def test_a_second_run_with_the_same_seed_is_identical(whole_run, tmp_path):
    train(tmp_path)
    for step in (8, STEPS):
        assert_identical(read_variables(tmp_path, step), read_variables(whole_run, step))


def test_the_length_of_loops_changes_no_bit(whole_run, tmp_path):
    train(tmp_path, loop=7, save_every=1000)
    assert_identical(read_variables(tmp_path), read_variables(whole_run))


def test_a_run_without_a_seed_goes_on_with_the_one_that_it_drew(tmp_path):
    whole, resumed, other = tmp_path / "whole", tmp_path / "resumed", tmp_path / "other"
    train(whole, seed=None)
    resumable.copy_checkpoint(16, whole, resumed)
    train(resumed, seed=None)
    assert_identical(read_variables(resumed), read_variables(whole))
    # Another run draws another one.
    train(other, seed=None)
    assert (read_variables(other)["logits/kernel"] != read_variables(whole)["logits/kernel"]).any()


@pytest.mark.parametrize("step", [9, 21])
def test_killed_and_restarted_in_another_process(whole_run, tmp_path, step):
    killed = resumable.train_in_process(tmp_path, signal.SIGKILL, step, save_every=8)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    last = saved_steps(tmp_path)[-1]
    # The one before the kill may have been in flight.
    assert last in {step // 8 * 8 - 8, step // 8 * 8}
    # The same bits also from the other process.
    assert_identical(read_variables(tmp_path, last), read_variables(whole_run, last))
    train(tmp_path)
    assert_identical(read_variables(tmp_path), read_variables(whole_run))


def test_sigterm_saves_after_the_loop_and_exits_with_143(whole_run, tmp_path):
    terminated = resumable.train_in_process(tmp_path, signal.SIGTERM, 13, save_every=1000)
    assert terminated.returncode == 143, terminated.stderr
    assert saved_steps(tmp_path) == [0, 16]
    train(tmp_path)
    assert_identical(read_variables(tmp_path), read_variables(whole_run))


def send_at(step):
    """Returns an on_step that sends SIGTERM to this process."""
    return lambda now: os.kill(os.getpid(), signal.SIGTERM) if now == step else None


@pytest.mark.parametrize("save_every", [8, 1000], ids=["saved anyway", "saved for the signal"])
def test_sigterm_says_where_it_stopped_and_puts_the_old_handler_back(
    whole_run, tmp_path, save_every
):
    received = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:
        with pytest.raises(SystemExit) as stopped:
            train(tmp_path, on_step=send_at(15), save_every=save_every)
        assert not received
        os.kill(os.getpid(), signal.SIGTERM)
        assert received == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
    assert isinstance(stopped.value, TrainingTerminated)
    assert stopped.value.code == 143
    assert str(stopped.value) == (
        "Training was terminated by SIGTERM at step 16; checkpoint saved in "
        f"{tmp_path}/model.ckpt-16; start again to continue."
    )
    train(tmp_path)
    assert_identical(read_variables(tmp_path), read_variables(whole_run))


def test_sigterm_in_the_last_loop_ends_a_training_that_is_complete(whole_run, tmp_path):
    with pytest.raises(SystemExit, match=f"at step {STEPS}; checkpoint saved"):
        train(tmp_path, on_step=send_at(STEPS))
    assert_identical(read_variables(tmp_path), read_variables(whole_run))
    assert not (tmp_path / f"model.ckpt-{STEPS}.input.json").exists()


def test_sigterm_without_checkpoints_says_that_nothing_was_saved(tmp_path):
    with pytest.raises(SystemExit, match="no checkpoint of it was saved"):
        train(tmp_path, on_step=send_at(5), save_every=None)
    assert saved_steps(tmp_path) == []


def test_a_second_sigterm_does_what_it_did_before():
    received = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:
        with TerminationWatch() as watch:
            os.kill(os.getpid(), signal.SIGTERM)
            assert watch.requested
            assert not received
            os.kill(os.getpid(), signal.SIGTERM)
        assert received == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_training_in_another_thread_leaves_signals_alone(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    seen = []
    thread = threading.Thread(
        target=train,
        args=(tmp_path,),
        kwargs={"on_step": lambda step: seen.append(signal.getsignal(signal.SIGTERM))},
    )
    thread.start()
    thread.join()
    assert seen == [before] * STEPS


def test_a_training_that_ended_as_it_should_leaves_the_next_one_a_fresh_input(tmp_path):
    # The last checkpoint is due by its step, and is at first saved like those before it.
    estimator = resumable.make_estimator(tmp_path, save_every=4)
    estimator.train(resumable.input_fn, max_steps=8)
    assert (tmp_path / "model.ckpt-4.input.json").exists()
    assert not (tmp_path / "model.ckpt-8.input.json").exists()


def test_the_log_tells_of_the_signal(tmp_path, caplog):
    with caplog.at_level(logging.WARNING), pytest.raises(SystemExit):
        train(tmp_path, on_step=send_at(2))
    assert "SIGTERM: training finishes this loop, saves and exits." in caplog.text
