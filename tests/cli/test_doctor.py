"""`tfx-tpu-estimator doctor`: table, JSON, exit code."""

import json

import pytest
from click.testing import CliRunner

from tfx_tpu_estimator.cli import doctor as command
from tfx_tpu_estimator.cli import main
from tfx_tpu_estimator.doctor import examine, machine, packages, probes, variables
from tfx_tpu_estimator.doctor.finding import Finding, Level

GOOD = Finding(subject="Python", level=Level.OK, found="3.10.13")
NOTE = Finding(subject="Airflow", level=Level.NOTE, found="not installed", way_out="pip")
WARN = Finding(subject="Disk", level=Level.ATTENTION, found="1.0 GiB free", way_out="Make room.")
BAD = Finding(subject="jax", level=Level.PROBLEM, found="not [here]", way_out="Install it.")


def invoke(monkeypatch, findings, *args):
    monkeypatch.setattr(command, "examine", lambda on_step, early: on_step("Python") or findings)
    return CliRunner().invoke(main, ["doctor", *args])


@pytest.mark.parametrize(
    ("findings", "code", "last"),
    [
        ([GOOD, NOTE], 0, "Nothing is wrong with this set-up."),
        ([GOOD, WARN, WARN], 0, "2 things to look at."),
        ([BAD, WARN], 1, "1 problem, 1 thing to look at."),
    ],
)
def test_the_exit_code_is_that_of_problems(monkeypatch, findings, code, last):
    result = invoke(monkeypatch, findings)
    assert result.exit_code == code
    assert result.stdout.splitlines()[-1] == last


def test_the_table_has_the_way_out(monkeypatch):
    lines = invoke(monkeypatch, [GOOD, BAD]).stdout.splitlines()
    assert lines[0].split() == ["ok", "Python", "3.10.13"]
    assert lines[1].split() == ["PROBLEM", "jax", "not", "[here]"]
    assert lines[2].strip() == "Way out: Install it."


def test_json(monkeypatch):
    result = invoke(monkeypatch, [GOOD, BAD], "--output", "json")
    content = json.loads(result.stdout)
    assert content["ok"] is False
    assert content["findings"][1] == {
        "subject": "jax", "level": "problem", "found": "not [here]", "way_out": "Install it.",
    }  # fmt: skip


def test_everything_is_looked_at(monkeypatch):
    monkeypatch.setattr(probes, "run_probe", lambda code, seconds: {
        "platform": "tpu", "count": 4, "kinds": ["TPU v5 lite"]})  # fmt: skip
    steps = []
    findings = examine.examine(steps.append)
    assert len(steps) == 12
    subjects = {finding.subject for finding in findings}
    assert {"Python", "TensorFlow", "libtpu", "Requirements", "Devices", "Disk"} <= subjects
    found = next(finding.found for finding in findings if finding.subject == "Devices")
    assert found == "use_tpu=True runs on 4 TPU cores (TPU v5 lite)"
    for module in (machine, packages, variables):
        checks = [getattr(module, name) for name in dir(module) if name.startswith("check_")]
        assert all(check.__doc__ for check in checks)
