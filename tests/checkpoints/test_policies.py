import dataclasses

import pytest

from tfx_tpu_estimator.checkpoints.policies import (
    EverySeconds,
    EverySteps,
    NeverSave,
    create_save_policy,
)
from tfx_tpu_estimator.config.run_config import RunConfig


def list_saves(policy, boundaries, seconds_per_loop=1.0, restored=None):
    """The steps at which a run that comes back to the host at `boundaries` saves."""
    saved, last, since = [], restored, 0.0
    for step in boundaries:
        if policy.is_due(step, last, since):
            saved.append(step)
            last, since = step, 0.0
        since += seconds_per_loop
    if policy.is_due_at_end(boundaries[-1], last):
        saved.append(boundaries[-1])
    return saved


@pytest.mark.parametrize(
    ("steps", "boundaries", "saves"),
    [
        (1, [0, 1, 2, 3], [0, 1, 2, 3]),
        (2, [0, 1, 2, 3, 4, 5], [0, 2, 4, 5]),
        (10, [0, 8, 16, 24, 32, 40], [0, 16, 32, 40]),  # the first loop end at or after
        (100, [0, 8, 16], [0, 16]),
        (5, [0], [0]),
    ],
)
def test_every_steps_at_loop_ends(steps, boundaries, saves):
    assert list_saves(EverySteps(steps), boundaries) == saves


def test_every_seconds_at_loop_ends():
    assert list_saves(EverySeconds(2.5), list(range(0, 70, 10))) == [0, 30, 60]
    assert not EverySeconds(1).is_due(5, 5, seconds=100)


def test_a_restored_step_is_not_saved_again():
    assert list_saves(EverySteps(10), [20, 24, 28, 32], restored=20) == [32]
    assert list_saves(EverySeconds(60), [20], restored=20) == []


def test_never():
    assert list_saves(NeverSave(), [0, 10, 20]) == []


@pytest.mark.parametrize(
    ("arguments", "policy"),
    [
        ({"save_checkpoints_steps": 7}, EverySteps(7)),
        ({"save_checkpoints_secs": 30}, EverySeconds(30)),
        ({"save_checkpoints_secs": None, "save_checkpoints_steps": None}, NeverSave()),
        ({}, EverySeconds(600)),
    ],
)
def test_of_a_run_config(arguments, policy):
    assert create_save_policy(RunConfig(**arguments)) == policy


@pytest.mark.parametrize(("kind", "name"), [(EverySteps, "steps"), (EverySeconds, "seconds")])
def test_checks(kind, name):
    with pytest.raises(ValueError, match=f"`{name}` must be > 0, got 0"):
        kind(0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(kind(1), name, 2)
