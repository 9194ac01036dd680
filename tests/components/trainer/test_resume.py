"""Tests of what a retry of a failed training finds."""

import logging
import os
import pathlib
import pickle
import signal
import subprocess
import sys

import pytest
from helpers.trainer_runs import TrainerRun, make_records
from helpers.user_modules import MODEL, OWN_INPUT
from tfx.proto import trainer_pb2

from tfx_tpu_estimator.components.layout import resolve_durable_dir
from tfx_tpu_estimator.components.options import TPUEstimatorOptions

# Raises at the step an environment variable names: the source, and so the run's key, stays.
FAILING = (
    MODEL.replace(
        "loss=loss, train_op=train_op)", "loss=loss, train_op=train_op, training_hooks=[_Fail()])"
    )
    + """

class _Fail(tf1.train.SessionRunHook):
    def before_run(self, run_context):
        return tf1.train.SessionRunArgs(tf1.train.get_global_step())

    def after_run(self, run_context, run_values):
        import os

        # The step is read beside the update, so that it may be the one before or after it.
        if run_values.results >= int(os.environ.get("FAIL_AT_STEP", 1000)):
            if "KILL" in os.environ:
                os.kill(os.getpid(), 9)
            raise RuntimeError("interrupted")
"""
)


@pytest.fixture
def trainer(tmp_path):
    run = TrainerRun(tmp_path)
    run.module_file.write_text(FAILING)
    run.options = TPUEstimatorOptions(
        train_batch_size=4, label_key="label", save_checkpoints_steps=5
    )
    return run


def interrupt(trainer, monkeypatch, step=12):
    with monkeypatch.context() as patch:
        patch.setenv("FAIL_AT_STEP", str(step))
        with pytest.raises(RuntimeError, match="interrupted"):
            trainer.run()


def test_a_retry_resumes_from_the_last_checkpoint(trainer, monkeypatch, caplog):
    interrupt(trainer, monkeypatch)
    (folder,) = trainer.checkpoint_dirs()
    assert any(name.startswith("model.ckpt-1") for name in os.listdir(folder))
    assert trainer.output_files() == []
    with caplog.at_level(logging.INFO):
        model, model_run = trainer.run()
    assert "Resuming training from step 1" in caplog.text
    assert model.get_int_custom_property("global_step") == 20
    assert trainer.checkpoint_dirs() == []
    assert any(name.startswith("model.ckpt-20") for name in os.listdir(model_run.uri))


def test_a_killed_process_is_resumed(trainer, tmp_path, caplog):
    """SIGKILL in the middle of training: nothing gets the chance to clean up."""
    saved = tmp_path / "run.pickle"
    saved.write_bytes(pickle.dumps(trainer))
    code = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb')).run()"
    tests = pathlib.Path(__file__).parents[2]
    killed = subprocess.run(
        [sys.executable, "-c", code, str(saved)],
        env={**os.environ, "PYTHONPATH": str(tests), "FAIL_AT_STEP": "12", "KILL": "1"},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    # Another execution of the same node, as a runner would start it.
    trainer.executions = 1
    with caplog.at_level(logging.INFO):
        model, _ = trainer.run()
    assert "Resuming training from step 1" in caplog.text
    assert model.get_int_custom_property("global_step") == 20
    assert trainer.checkpoint_dirs() == []


def test_an_interrupted_pass_ends_where_the_whole_one_would_have(trainer, monkeypatch):
    """The user's input of 16 batches: resumed, the model is the same bit for bit."""
    trainer.module_file.write_text(FAILING + OWN_INPUT)
    trainer.train_args = trainer_pb2.TrainArgs()
    whole, _ = trainer.run()
    interrupt(trainer, monkeypatch)
    resumed, _ = trainer.run()
    assert whole.get_int_custom_property("global_step") == 16
    assert resumed.get_int_custom_property("global_step") == 16
    assert whole.get_string_custom_property("model_digest") == resumed.get_string_custom_property(
        "model_digest"
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.module_file.write_text(FAILING + "\n# edited\n"),
        lambda t: t.write_split("train", make_records(65)),
        lambda t: setattr(t, "train_args", trainer_pb2.TrainArgs(num_steps=21)),
        lambda t: setattr(t, "custom_config", {"a": 1}),
        lambda t: setattr(t, "options", TPUEstimatorOptions(train_batch_size=5, label_key="label")),
    ],
    ids=["module", "examples", "train_args", "custom_config", "options"],
)
def test_another_run_does_not_resume(trainer, monkeypatch, caplog, change):
    interrupt(trainer, monkeypatch)
    change(trainer)
    with caplog.at_level(logging.INFO):
        trainer.run()
    assert "Resuming" not in caplog.text


def test_checkpoints_elsewhere(trainer, monkeypatch, tmp_path):
    trainer.options = TPUEstimatorOptions(
        train_batch_size=4,
        label_key="label",
        save_checkpoints_steps=5,
        checkpoint_dir=str(tmp_path / "durable"),
    )
    interrupt(trainer, monkeypatch)
    assert trainer.checkpoint_dirs() == []
    assert len(os.listdir(tmp_path / "durable")) == 1
    trainer.run()
    assert os.listdir(tmp_path / "durable") == []


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("root/Trainer/model_run/7", "root/Trainer/.checkpoints/k"),
        ("root/Trainer/model_run/7/", "root/Trainer/.checkpoints/k"),
        ("gs://b/run-1/trainer_123/model_run", "gs://b/run-1/trainer_123/.checkpoints/k"),
    ],
)
def test_where_checkpoints_are(uri, expected):
    assert resolve_durable_dir(uri, "k") == expected
    assert resolve_durable_dir(uri, "k", "mine") == "mine/k"
