"""Early stopping, in train_and_evaluate and in train, on both engines."""

import pytest
import tensorflow as tf
from helpers import models
from helpers.events import read_scalars

import tfx_tpu_estimator as tpu_estimator
from tfx_tpu_estimator import EvalSpec, TrainSpec, make_early_stopping_hook, train_and_evaluate

tf1 = tf.compat.v1
ENGINES = pytest.mark.parametrize("use_tpu", [False, True], ids=["host", "devices"])
LOOP = 4


def make(model_dir, use_tpu=False):
    run = {"save_checkpoints_steps": 8}
    if use_tpu:
        return models.make_tpu_estimator(model_dir, run=run, loop=LOOP)
    config = tpu_estimator.RunConfig(tf_random_seed=1, **run)
    return models.make_estimator(model_dir, config=config)


def step_of(estimator):
    return int(estimator.get_variable_value("global_step"))


@pytest.mark.parametrize(
    ("make_hook", "arguments", "stops_at", "use_tpu"),
    [
        (tpu_estimator.stop_if_higher_hook, ("accuracy", 0.95), 16, False),
        (tpu_estimator.stop_if_higher_hook, ("accuracy", 0.95), 16, True),
        (tpu_estimator.stop_if_lower_hook, ("loss", 0.2), 16, False),
        (tpu_estimator.stop_if_no_increase_hook, ("count", 16), 24, False),
        (tpu_estimator.stop_if_no_decrease_hook, ("count", 8), 16, False),
    ],
)
def test_training_stops_by_the_metrics_of_its_evaluations(
    tmp_path, make_hook, arguments, stops_at, use_tpu
):
    estimator = make(tmp_path, use_tpu)
    hook = make_hook(estimator, *arguments, run_every_secs=None, run_every_steps=1)
    metrics, _ = train_and_evaluate(
        estimator,
        TrainSpec(models.train_input_fn, max_steps=100, hooks=[hook]),
        EvalSpec(models.eval_input_fn, steps=10, throttle_secs=0),
    )
    # At the checkpoint that was evaluated, and not a step later.
    assert (step_of(estimator), metrics["global_step"]) == (stops_at, stops_at)
    assert sorted(read_scalars(estimator.eval_dir(), "loss")) == list(range(8, stops_at + 1, 8))


@ENGINES
def test_a_function_of_ones_own_is_asked_every_so_many_steps(tmp_path, use_tpu):
    calls = []

    def should_stop():
        calls.append(1)
        return len(calls) == 3

    estimator = make(tmp_path, use_tpu)
    hook = make_early_stopping_hook(estimator, should_stop, None, run_every_steps=6)
    estimator.train(models.train_input_fn, hooks=[hook], max_steps=100)
    # At 1, 7 and 13; on devices at the ends of loops: 4, 12 and 20.
    assert step_of(estimator) == (20 if use_tpu else 13)
    # The hook can be used again, and the checkpoint has nothing of it.
    estimator.train(models.train_input_fn, hooks=[hook], steps=8)
    assert step_of(estimator) == (28 if use_tpu else 21)
    assert not [name for name in estimator.get_variable_names() if "stop" in name.lower()]


def test_a_function_is_asked_every_so_many_seconds(tmp_path):
    calls = []
    estimator = make(tmp_path)
    hook = make_early_stopping_hook(estimator, lambda: calls.append(1), run_every_secs=1000)
    estimator.train(models.train_input_fn, hooks=[hook], max_steps=20)
    assert len(calls) == 1


def test_a_directory_of_evaluations_can_be_given(tmp_path):
    estimator = make(tmp_path)
    estimator.train(models.train_input_fn, max_steps=4)
    estimator.evaluate(models.eval_input_fn, name="other")
    hook = tpu_estimator.stop_if_lower_hook(
        estimator, "loss", 100, eval_dir=estimator.eval_dir("other")
    )
    estimator.train(models.train_input_fn, hooks=[hook], max_steps=20)
    assert step_of(estimator) == 5


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"run_every_secs": 1, "run_every_steps": 1}, ValueError, "Only one of `run_every_secs`"),
        ({"run_every_secs": None}, ValueError, "One of `run_every_secs` and `run_every_steps`"),
        ({"should_stop_fn": True}, TypeError, "`should_stop_fn` must be callable"),
        ({"estimator": "x"}, TypeError, "`estimator` must have type `tf.estimator.Estimator`"),
    ],
)
def test_arguments_are_checked(tmp_path, arguments, error, text):
    given = {"estimator": make(tmp_path), "should_stop_fn": lambda: False, **arguments}
    with pytest.raises(error, match=text):
        make_early_stopping_hook(**given)


@pytest.mark.parametrize("make_hook", [tpu_estimator.stop_if_higher_hook,
                                       tpu_estimator.stop_if_no_decrease_hook])  # fmt: skip
def test_hooks_are_for_estimators(make_hook):
    with pytest.raises(TypeError, match=r"`estimator` must have type `tf.estimator.Estimator`"):
        make_hook("x", "loss", 1)
