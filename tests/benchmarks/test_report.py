import pytest

from benchmarks.checkpoint_stall import judge_stall
from benchmarks.machine import Load
from benchmarks.report import describe_speeds, describe_targets, judge

SPEEDS = {"tabular/memory": {"host": [95.0, 190.0, 300.0], "function": [100.0, 100.0, 400.0]}}


def test_ratios_are_taken_within_rounds_and_targets_judged_by_the_median():
    (row,) = judge(SPEEDS)
    assert row["what"] == "host / function"
    assert (row["median"], row["low"], row["high"]) == (0.95, 0.75, 1.9)
    assert row["met"]
    assert "| 0.95 | 0.95 (0.75-1.90) | met |" in describe_targets([row])


def test_a_target_without_its_contenders_is_not_judged():
    assert judge({"cnn/memory": {"host": [1.0]}}) == []


@pytest.mark.parametrize(("speed", "met"), [(1.6, "met"), (1.4, "NOT MET")])
def test_targets_of_a_source_hold_for_every_model(speed, met):
    rows = judge({"tabular/gzip": {"host": [speed], "old": [1.0]}})
    assert met in describe_targets(rows)


def test_the_table_has_medians_and_spread():
    assert "| tabular/memory | 190 ±54% | 100 ±150% |" in describe_speeds(SPEEDS)


@pytest.mark.parametrize(
    ("load", "busy", "quiet"), [(0.1, 0.02, True), (1.5, 0.02, False), (0.1, 0.4, False)]
)
def test_a_machine_is_quiet_if_nobody_else_works(load, busy, quiet):
    assert Load(cpus=2, load_average=load, busy=busy).is_quiet is quiet


@pytest.mark.parametrize(("stall", "met"), [(0.15, "met"), (0.25, "NOT MET")])
def test_a_stall_is_judged_by_the_copy_before_it(stall, met):
    row = judge_stall({"stall": [stall, 2 * stall, stall], "copy": [0.1, 0.2, 0.1]})
    assert f"| at most 2.00 | {10 * stall:.2f} (" in describe_targets([row])
    assert describe_targets([row]).endswith(f"| {met} |")
