import pytest

from tfx_tpu_estimator.config.tpu_config import LoopLength
from tfx_tpu_estimator.runs.loop_length import LoopPlan, split_loop


def plan_all(plan):
    done, programs, ends = 0, [], []
    while steps := plan.next_program(done):
        done += steps
        programs.append(steps)
        if plan.is_loop_end(done):
            ends.append(done)
    return programs, ends


@pytest.mark.parametrize(
    ("steps", "total", "programs", "ends"),
    [
        (4, 12, [4, 4, 4], [4, 8, 12]),
        (4, 10, [4, 4, 2], [4, 8, 10]),
        (100, 7, [4, 2, 1], [7]),
        (1, 3, [1, 1, 1], [1, 2, 3]),
        (7, 14, [7, 7], [7, 14]),
    ],
)
def test_last_loop_is_shortened_to_land_on_the_total(steps, total, programs, ends):
    assert plan_all(LoopPlan(LoopLength(steps=steps), total)) == (programs, ends)


def test_without_a_total_loops_go_on():
    plan = LoopPlan(LoopLength(steps=3), None)
    assert [plan.next_program(done) for done in (0, 3, 6)] == [3, 3, 3]


def test_a_length_in_seconds_starts_with_one_step_and_grows_to_what_fits():
    plan = LoopPlan(LoopLength(seconds=2), None)
    assert plan.next_program(0) == 1
    plan.finished_program(1, seconds=0.1)
    # 20 steps of a tenth of a second, in programs of powers of two.
    programs, done = [], 1
    while True:
        programs.append(plan.next_program(done))
        done += programs[-1]
        if plan.is_loop_end(done):
            break
    assert programs == [16, 4]


def test_a_length_in_seconds_follows_the_mean_of_the_last_loops():
    plan = LoopPlan(LoopLength(seconds=1), None)
    for _ in range(100):
        plan.finished_program(1, seconds=100.0)
    for _ in range(20):
        plan.finished_program(10, seconds=1.25)  # an eighth of a second per step
    assert plan.next_program(0) == 8
    assert plan.is_loop_end(8)


@pytest.mark.parametrize("steps", [1, 5, 255, 256, 1000])
def test_loops_that_vary_are_made_of_powers_of_two(steps):
    programs = list(split_loop(steps, None))
    assert sum(programs) == steps
    assert all(size & (size - 1) == 0 and size <= 256 for size in programs)
    assert programs == sorted(programs, reverse=True)


def test_the_usual_length_is_one_program_however_long():
    assert list(split_loop(1000, 1000)) == [1000]
