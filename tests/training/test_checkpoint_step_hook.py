"""make_stop_at_checkpoint_step_hook: the chief stops at a step, others when it is saved."""

import types

import pytest
import tensorflow as tf
from helpers import models

from tfx_tpu_estimator import make_stop_at_checkpoint_step_hook

tf1 = tf.compat.v1


@pytest.mark.parametrize(("use_tpu", "expected"), [(False, 6), (True, 8)])
def test_the_chief_stops(tmp_path, use_tpu, expected):
    """On devices at the end of the loop of four steps."""
    make = models.make_tpu_estimator if use_tpu else models.make_estimator
    estimator = make(tmp_path)
    hook = make_stop_at_checkpoint_step_hook(estimator, last_step=6)
    estimator.train(models.train_input_fn, hooks=[hook], max_steps=20)
    assert estimator.latest_checkpoint().endswith(f"-{expected}")


def test_others_wait_for_the_checkpoint(tmp_path):
    saver = models.make_estimator(tmp_path / "chief")
    worker = types.SimpleNamespace(
        config=types.SimpleNamespace(is_chief=False), model_dir=str(tmp_path / "chief")
    )
    hook = make_stop_at_checkpoint_step_hook(worker, last_step=4, wait_after_file_check_secs=0)
    steps = []

    class SaveAtSix(tf1.train.SessionRunHook):
        """The chief, which is two steps behind."""

        def after_run(self, run_context, run_values):
            steps.append(1)
            if len(steps) == 6:
                saver.train(models.train_input_fn, max_steps=4)

    models.make_estimator(tmp_path / "worker").train(
        models.train_input_fn, hooks=[SaveAtSix(), hook], max_steps=20
    )
    assert len(steps) == 6


def test_the_last_step_is_needed(tmp_path):
    with pytest.raises(ValueError, match="last_step must be specified"):
        make_stop_at_checkpoint_step_hook(models.make_estimator(tmp_path), None)
