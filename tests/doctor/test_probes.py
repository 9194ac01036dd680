"""What is tried in a process of its own: it may fail, crash or hang."""

import pytest

from tfx_tpu_estimator.doctor import probes
from tfx_tpu_estimator.doctor.finding import Level


def test_an_answer_is_the_last_line():
    assert probes.run_probe("print('noise'); print('{\"a\": 1}')", 300) == {"a": 1}


@pytest.mark.parametrize(
    ("code", "seconds", "text"),
    [
        ("raise ValueError('so it is')", 300, "code 1: .*so it is"),
        ("import os; os.abort()", 300, "signal 6: it said nothing"),
        ("import time; time.sleep(6000)", 0.2, "no answer within 0.2 s"),
    ],
)
def test_what_does_not_work_is_told(code, seconds, text):
    with pytest.raises(probes.ProbeError, match=text):
        probes.run_probe(code, seconds)


def test_devices_and_what_keeps_them_from_being_found(monkeypatch):
    (finding,) = probes.check_devices()
    assert finding.level is Level.OK
    assert "virtual devices on the CPU" in finding.found
    monkeypatch.setenv("XLA_FLAGS", "--no_such_flag=1")
    (finding,) = probes.check_devices()
    assert finding.level is Level.PROBLEM
    assert "--no_such_flag" in finding.found
    assert "XLA_FLAGS" in finding.way_out


def test_metadata_that_cannot_be_used(monkeypatch):
    monkeypatch.setattr(probes, "find_version", lambda name: "1.16.0")
    monkeypatch.setattr(probes, "_METADATA", "import no_such_module")
    (finding,) = probes.check_metadata()
    assert finding.level is Level.PROBLEM
    assert "no_such_module" in finding.found
    monkeypatch.setattr(probes, "find_version", lambda name: None)
    assert probes.check_metadata() == []
