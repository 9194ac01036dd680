"""Checks of what train, evaluate and predict are called with."""

import json

import pytest
import tensorflow as tf

from tfx_tpu_estimator.config import run_arguments
from tfx_tpu_estimator.config.run_config import RunConfig

HOOK = tf.compat.v1.train.SessionRunHook()
LISTENER = tf.compat.v1.train.CheckpointSaverListener()


@pytest.mark.parametrize(("steps", "max_steps"), [(None, None), (1, None), (None, 5)])
def test_train_steps(steps, max_steps):
    run_arguments.validate_train_steps(steps, max_steps)


@pytest.mark.parametrize("name", ["steps", "max_steps"])
def test_wrong_train_steps(name):
    values = {"steps": None, "max_steps": None}
    for value in (1.0, "1", True):
        with pytest.raises(TypeError, match="must be int"):
            run_arguments.validate_train_steps(**{**values, name: value})
    for value in (0, -1):
        with pytest.raises(ValueError, match=f"Must specify {name} > 0"):
            run_arguments.validate_train_steps(**{**values, name: value})


def test_steps_and_max_steps_exclude_each_other():
    with pytest.raises(ValueError, match=r"Can not provide both steps and max_steps\."):
        run_arguments.validate_train_steps(1, 1)


def test_steps_are_required_on_tpus():
    with pytest.raises(
        ValueError, match=r"For TPU training, one of `steps` or `max_steps` must be set. Cannot be"
    ):
        run_arguments.validate_train_steps(None, None, on_tpu=True)
    with pytest.raises(ValueError, match=r"Evaluate `steps` must be set on TPU. Cannot be `None`."):
        run_arguments.validate_eval_steps(None, on_tpu=True)
    run_arguments.validate_train_steps(None, 1, on_tpu=True)
    run_arguments.validate_eval_steps(1, on_tpu=True)


def test_eval_steps():
    run_arguments.validate_eval_steps(None)
    with pytest.raises(TypeError, match="must be int"):
        run_arguments.validate_eval_steps(1.5)
    for text in ("must be positive", "Must specify steps > 0"):
        with pytest.raises(ValueError, match=text):
            run_arguments.validate_eval_steps(0)


@pytest.mark.parametrize("hooks", [None, [], [HOOK], (HOOK,), {HOOK}])
def test_hooks(hooks):
    assert run_arguments.validate_hooks(hooks) == list(hooks or [])


@pytest.mark.parametrize("hooks", [["x"], [HOOK, None], HOOK, 5, [LISTENER]])
def test_wrong_hooks(hooks):
    with pytest.raises(TypeError, match="must be a SessionRunHook"):
        run_arguments.validate_hooks(hooks)


@pytest.mark.parametrize("listeners", [None, [], [LISTENER], (LISTENER,)])
def test_saving_listeners(listeners):
    assert run_arguments.validate_saving_listeners(listeners) == list(listeners or [])


@pytest.mark.parametrize("listeners", [["x"], LISTENER, [HOOK], 0])
def test_wrong_saving_listeners(listeners):
    with pytest.raises(TypeError, match="must be a list of CheckpointSaverListener"):
        run_arguments.validate_saving_listeners(listeners)


def test_listeners_need_a_saver():
    run_arguments.validate_listeners_have_saver([], has_saver_hook=False)
    run_arguments.validate_listeners_have_saver([LISTENER], has_saver_hook=True)
    with pytest.raises(ValueError, match="CheckpointSaverHook to use saving_listeners"):
        run_arguments.validate_listeners_have_saver([LISTENER], has_saver_hook=False)


@pytest.mark.parametrize(
    ("cluster", "task", "text"),
    [
        ({"chief": ["a:1"]}, "evaluator", "Train has been called with task type 'evaluator'"),
        ({"chief": ["a:1"], "ps": ["b:1"]}, "ps", "Train has been called with task type 'ps'"),
        ({"chief": ["a:1"], "worker": ["b:1"]}, "chief", "train_and_evaluate"),
    ],
)
def test_tasks_that_do_not_train_alone(monkeypatch, cluster, task, text):
    config = {"cluster": cluster, "task": {"type": task, "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    with pytest.raises(ValueError, match=text):
        run_arguments.validate_training_task(RunConfig())


def test_tasks_that_train(monkeypatch):
    run_arguments.validate_training_task(RunConfig())
    config = {"cluster": {"chief": ["a:1"]}, "task": {"type": "chief", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    run_arguments.validate_training_task(RunConfig())
