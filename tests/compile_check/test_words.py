"""The sentences of a compile report."""

import dataclasses

import pytest
from helpers.compile_reports import V4_4, make_mixed_report, make_program, make_report, make_unfit

from tfx_tpu_estimator.compile_check import report as reports
from tfx_tpu_estimator.compile_check import words

TIMED_OUT = make_unfit("eval", "timed_out", "slow")


@pytest.mark.parametrize(
    ("report", "tone", "title"),
    [
        (make_report(), "good", "All 4 programs compile for v5e:2x2 and fit."),
        (make_report(make_program()), "good", "The program compiles for v5e:2x2 and fits."),
        (make_report(make_program(), make_program(topology=V4_4)), "good",
         "All 2 programs compile for v5e:2x2 and v4:2x2x1 and fit."),
        (make_mixed_report(), "bad",
         "4 of 8 programs do not pass on v5e:2x2; all pass on v4:2x2x1."),
        (make_report(make_unfit("train", "failed", "")), "bad",
         "The program does not pass on v5e:2x2."),
        (make_report(TIMED_OUT, make_program()), "warn",
         "The compiler did not finish with 1 of 2 programs for v5e:2x2."),
        (make_report(TIMED_OUT), "warn",
         "The compiler did not finish with the program for v5e:2x2."),
    ],
)  # fmt: skip
def test_verdicts(report, tone, title):
    verdict = words.describe_report(report)
    assert (verdict.tone, verdict.title) == (tone, title)


def test_a_report_without_programs_is_not_good():
    report = make_report(programs=())
    assert words.describe_report(report).title == "No program was compiled."
    assert not report.ok


def test_every_problem_is_told():
    verdict = words.describe_report(make_mixed_report())
    assert [program.program for program, _ in verdict.problems] == [
        "train", "eval", "predict", "serving",
    ]  # fmt: skip
    assert "StringSplit" in verdict.problems[2][1]


def test_what_programs_share_is_told_once():
    report = make_report(
        make_unfit("train", "refused", "no strings"),
        make_unfit("eval", "refused", "no strings "),
        make_unfit("predict", "refused", "no batch"),
        make_unfit("serving", "refused", "no strings"),
        dataclasses.replace(make_unfit("train", "refused", "no strings"), topology=V4_4),
    )
    assert words.list_problems(words.describe_report(report)) == [
        ("train, eval and serving on v5e:2x2", "no strings"),
        ("predict on v5e:2x2", "no batch"),
        ("train on v4:2x2x1", "no strings"),
    ]


@pytest.mark.parametrize("status", reports.STATUSES)
def test_every_status_has_words(status):
    assert words.STATUS_WORDS[status]
    assert len(words.SHORT_STATUS_WORDS[status]) <= 10
    assert words.describe_problem(make_unfit("train", status, "")).endswith(".")


@pytest.mark.parametrize(
    ("batch", "text"),
    [(None, None), (0, "none fits"), (1112, "1,112"), (2**20, "1,048,576 or more")],
)
def test_the_batch_search(batch, text):
    assert words.describe_largest_batch(make_program(largest_batch=batch)) == text


def test_figures_of_a_program():
    program = make_program(cached=True)
    assert words.describe_memory(program) == "1.87 GiB of 15.75 GiB per core (12%)"
    assert words.describe_compile(program) == "102 s, 3.22 GiB of memory; from the cache"
    assert words.describe_rate(program) == "at most 273 examples/s per core"
    assert words.describe_rate(make_program(per_core_batch=None)) is None


def test_what_was_not_compiled_is_not_called_compiled():
    refused = make_report(make_unfit("train", "refused", "no"))
    assert "before compiling" in words.describe_evidence(refused)
    assert "not run on a TPU" in words.describe_evidence(make_report())


def test_what_the_compiler_did_not_finish_is_not_called_compiled():
    stopped = make_unfit("train", "timed_out", "slow", compile_seconds=60.0)
    assert "did not finish" in words.describe_evidence(make_report(stopped))
    assert "as far as it finished" in words.describe_evidence(make_report(stopped, make_program()))
