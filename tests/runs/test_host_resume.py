"""Trainings on the host that are interrupted, and go on as if they had not been: to the bit."""

import json
import os
import signal

import pytest
import tensorflow as tf
from helpers import resumable
from helpers.hooks import CountingHook
from helpers.models import saved_steps
from helpers.resumable import STEPS, assert_identical, copy_checkpoint, read_variables

tf1 = tf.compat.v1


def train(model_dir, **arguments):
    return resumable.train(model_dir, use_tpu=False, **arguments)


def step_by_step(step):
    """An on_step whose presence makes the steps run one by one."""


def list_positions(model_dir):
    return sorted(int(p.name.split("-")[1].split(".")[0]) for p in model_dir.glob("*.input.json"))


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """The model directory of a training in loops that was not disturbed."""
    directory = tmp_path_factory.mktemp("host") / "whole"
    train(directory)
    return directory


def test_positions_are_saved_on_the_way_only(whole_run):
    assert saved_steps(whole_run) == [0, 8, 16, 24, STEPS]
    assert list_positions(whole_run) == [0, 8, 16, 24]


@pytest.mark.parametrize("on_step", [None, step_by_step], ids=["in loops", "step by step"])
@pytest.mark.parametrize("step", [0, 16])
def test_a_training_goes_on_from_any_checkpoint(whole_run, tmp_path, step, on_step):
    resumed = tmp_path / "resumed"
    copy_checkpoint(step, whole_run, resumed)
    train(resumed, on_step=on_step)
    assert_identical(read_variables(resumed), read_variables(whole_run))


def test_killed_between_the_last_save_and_the_end(whole_run, tmp_path):
    # Then the last checkpoint has a position, as if the training were to go on.
    killed = tmp_path / "killed"
    copy_checkpoint(STEPS, whole_run, killed)
    position = (whole_run / "model.ckpt-24.input.json").read_text()
    last = killed / f"model.ckpt-{STEPS}.input.json"
    last.write_text(position)
    estimator = resumable.make_estimator(killed, use_tpu=False)
    estimator.train(resumable.input_fn, max_steps=STEPS - 1)
    assert last.exists()
    estimator.train(resumable.input_fn, max_steps=STEPS)
    assert not last.exists()


def test_killed_and_restarted_in_another_process(whole_run, tmp_path):
    killed = resumable.train_in_process(tmp_path, signal.SIGKILL, 21, save_every=8, use_tpu=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert saved_steps(tmp_path) == [0, 8, 16]
    train(tmp_path)
    assert_identical(read_variables(tmp_path), read_variables(whole_run))


def test_terminated_and_restarted(whole_run, tmp_path):
    def send(step):
        if step == 13:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit, match="SIGTERM at step 13"):
        train(tmp_path, on_step=send, save_every=1000)
    assert list_positions(tmp_path) == [0, 13]
    train(tmp_path)
    assert_identical(read_variables(tmp_path), read_variables(whole_run))
    assert list_positions(tmp_path)[-1] != STEPS


def test_a_run_without_a_seed_goes_on_with_the_one_that_it_drew(tmp_path):
    whole, resumed, other = tmp_path / "whole", tmp_path / "resumed", tmp_path / "other"
    for directory in (whole, other):
        train(directory, seed=None)
    copy_checkpoint(16, whole, resumed)
    train(resumed, seed=None)
    assert_identical(read_variables(resumed), read_variables(whole))
    assert (read_variables(other)["logits/kernel"] != read_variables(whole)["logits/kernel"]).any()


def tensors_input_fn(params):
    """What TF1 programs return: tensors of an iterator rather than a Dataset."""
    return tf1.data.make_one_shot_iterator(resumable.input_fn(params)).get_next()


def test_tensors_go_on_as_well(tmp_path):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    for directory in (whole, resumed):
        if directory is resumed:
            copy_checkpoint(8, whole, resumed)
        estimator = resumable.make_estimator(directory, use_tpu=False)
        estimator.train(tensors_input_fn, max_steps=20)
    assert_identical(read_variables(resumed, 20), read_variables(whole, 20))


def test_an_input_that_was_read_to_its_end_is_no_empty_one(tmp_path):
    def input_fn(params):
        return resumable.input_fn(params).take(16)

    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    resumable.make_estimator(whole, use_tpu=False, save_every=4).train(input_fn)
    copy_checkpoint(16, whole, resumed)
    # As a kill between the last step's checkpoint and the end leaves it.
    position = json.loads((whole / "model.ckpt-12.input.json").read_text())
    position["batches"] = [16]
    (resumed / "model.ckpt-16.input.json").write_text(json.dumps(position))
    resumable.make_estimator(resumed, use_tpu=False, save_every=4).train(input_fn)
    assert saved_steps(resumed) == [16]
    assert list_positions(resumed) == []


@pytest.mark.parametrize("use_tpu", [False, True])
def test_a_hook_of_the_users_saves_positions_and_drops_those_of_deleted_checkpoints(
    tmp_path, use_tpu
):
    model_dir = tmp_path / "model"
    hook = tf1.train.CheckpointSaverHook(str(model_dir), save_steps=4)
    estimator = resumable.make_estimator(model_dir, use_tpu=use_tpu)
    estimator.train(resumable.input_fn, hooks=[hook], max_steps=24)
    # The Saver's own default keeps five checkpoints, whatever the RunConfig says.
    kept = saved_steps(model_dir)
    assert kept[-1] == 24
    assert list_positions(model_dir) == kept[:-1]
    # What was put on the user's hook is gone from it.
    assert hook._listeners == []


@pytest.mark.parametrize("use_tpu", [False, True])
def test_a_run_that_a_hook_of_the_users_saved_goes_on(whole_run, tmp_path, use_tpu):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    for directory in (whole, resumed):
        if directory is resumed:
            copy_checkpoint(8, whole, resumed)
        hook = tf1.train.CheckpointSaverHook(str(directory), save_steps=4)
        estimator = resumable.make_estimator(directory, use_tpu=use_tpu)
        estimator.train(resumable.input_fn, hooks=[hook, CountingHook()], max_steps=20)
    assert_identical(read_variables(resumed, 20), read_variables(whole, 20))
