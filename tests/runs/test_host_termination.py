"""SIGTERM during training on the host."""

import os
import signal

import pytest
import tensorflow as tf
from helpers.hooks import CountingHook
from helpers.models import make_estimator, train_input_fn

import tfx_tpu_estimator as tpu_estimator


def signalling_input_fn(params):
    """Sends SIGTERM to this process with the tenth batch."""

    def send(index):
        if index == 9:
            os.kill(os.getpid(), signal.SIGTERM)
        return index

    def pass_on(index, batch):
        sent = tf.numpy_function(send, [index], tf.int64)
        with tf.control_dependencies([sent]):
            return tf.nest.map_structure(tf.identity, batch)

    return train_input_fn(params).enumerate().map(pass_on)


@pytest.mark.parametrize("hooks", [[], [CountingHook()]], ids=["in loops", "step by step"])
@pytest.mark.parametrize("save", [True, False])
def test_training_stops_saves_and_says_so(tmp_path, hooks, save):
    config = tpu_estimator.RunConfig(
        tf_random_seed=1, save_checkpoints_secs=600 if save else None, save_summary_steps=None
    )
    estimator = make_estimator(tmp_path, config=config)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stopped:
        estimator.train(signalling_input_fn, hooks=hooks, max_steps=1_000_000)
    assert signal.getsignal(signal.SIGTERM) is before
    assert stopped.value.code == 143
    step = stopped.value.step
    assert 1 <= step < 1_000_000
    if not save:
        assert "no checkpoint of it was saved" in str(stopped.value)
        return
    assert str(stopped.value) == (
        f"Training was terminated by SIGTERM at step {step}; checkpoint saved in "
        f"{tmp_path}/model.ckpt-{step}; start again to continue."
    )
    assert estimator.get_variable_value("global_step") == step
    estimator.train(train_input_fn, steps=1)
    assert estimator.get_variable_value("global_step") == step + 1
