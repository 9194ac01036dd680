import logging

import pytest

from tfx_tpu_estimator.summaries import progress
from tfx_tpu_estimator.summaries.progress import Progress


def test_plain_lines_say_count_total_and_note(caplog):
    caplog.set_level(logging.INFO)
    with Progress("train", total=3, mode="plain", interval=0.0) as bar:
        for step in (1, 2, 3):
            bar.update(step, lambda: "loss 0.5")
    assert [r.getMessage().split(",")[0] for r in caplog.records] == [
        "train: 1/3 steps",
        "train: 2/3 steps",
        "train: 3/3 steps",
    ]
    assert caplog.records[-1].getMessage().endswith("loss 0.5")


def test_plain_lines_are_few_and_the_end_is_always_told(caplog):
    caplog.set_level(logging.INFO)
    with Progress("evaluate", unit="batches", mode="plain", interval=1000) as bar:
        for step in range(1, 101):
            bar.update(step)
    assert len(caplog.records) == 1
    assert caplog.records[0].getMessage().startswith("evaluate: 100 batches")


def test_bar_goes_to_standard_error(capsys):
    with Progress("train", total=2, mode="bar") as bar:
        bar.update(2)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "train" in captured.err
    assert "2/2 steps" in captured.err


def test_bar_of_unknown_length_counts(capsys):
    with Progress("evaluate", unit="batches", mode="bar") as bar:
        bar.update(7)
    error = capsys.readouterr().err
    assert "7 batches" in error
    assert "None" not in error


def test_off_says_nothing(caplog, capsys):
    caplog.set_level(logging.INFO)
    with Progress("train", mode="off") as bar:
        bar.update(1)
    assert caplog.records == []
    assert capsys.readouterr().err == ""


def test_note_is_not_made_when_it_is_not_shown():
    def fail():
        raise AssertionError("must not be called")

    with Progress("train", mode="off") as bar:
        bar.update(1, fail)


def test_environment_chooses_and_is_checked(monkeypatch):
    monkeypatch.setenv(progress.ENVIRONMENT_VARIABLE, "bar")
    assert progress.choose_mode() == "bar"
    monkeypatch.setenv(progress.ENVIRONMENT_VARIABLE, "loud")
    with pytest.raises(ValueError, match="is 'loud'; allowed are"):
        progress.choose_mode()
    monkeypatch.delenv(progress.ENVIRONMENT_VARIABLE)
    assert progress.choose_mode() == "plain"  # standard error is no terminal under pytest
