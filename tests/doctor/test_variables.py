"""Environment variables that change what runs."""

import pytest

from tfx_tpu_estimator.doctor import variables
from tfx_tpu_estimator.doctor.finding import Level


def find(subject, environ, loaded_early=()):
    found = variables.check_variables(environ, frozenset(loaded_early))
    return next((f for f in found if f.subject == subject), None)


def test_nothing_set_is_in_order():
    assert {f.level for f in variables.check_variables({})} == {Level.OK}


@pytest.mark.parametrize(
    ("name", "value", "level", "text"),
    [
        ("TF_USE_LEGACY_KERAS", "0", Level.PROBLEM, "Keras 3"),
        ("TF_USE_LEGACY_KERAS", "True", Level.OK, "is set"),
        ("TF_CONFIG", "{", Level.PROBLEM, "must be JSON"),
        ("TF_CONFIG", "[]", Level.PROBLEM, "must be a JSON object"),
        ("TF_CONFIG", '{"cluster": 1}', Level.PROBLEM, "must have objects"),
        ("TF_CONFIG", '{"cluster": {"chief": ["a:1"]}, "task": {"type": "worker"}}',
         Level.PROBLEM, "task of type 'worker', which its cluster lacks"),
        ("TF_CONFIG", '{"cluster": {"chief": ["a:1"]}, "task": {"type": "chief", "index": 0}}',
         Level.OK, "chief"),
        ("XLA_FLAGS", "--xla_force_host_platform_device_count=4", Level.OK, "=4"),
    ],
)  # fmt: skip
def test_values(name, value, level, text):
    finding = find(name, {name: value})
    assert finding.level is level
    assert text in finding.found
    assert bool(finding.way_out) == (level is not Level.OK)


def test_bytecode_costs_time_where_there_is_none(monkeypatch):
    environ = {"PYTHONDONTWRITEBYTECODE": "1"}
    monkeypatch.setattr(variables, "_has_bytecode", lambda package: False)
    finding = find("PYTHONDONTWRITEBYTECODE", environ)
    assert finding.level is Level.ATTENTION
    assert "17 s" in finding.found
    monkeypatch.setattr(variables, "_has_bytecode", lambda package: True)
    assert find("PYTHONDONTWRITEBYTECODE", environ).level is Level.OK


@pytest.mark.parametrize(
    ("library", "subject", "level"),
    [("jax", "XLA_FLAGS", Level.ATTENTION), ("tensorflow", "TF_USE_LEGACY_KERAS", Level.PROBLEM)],
)
def test_what_is_loaded_at_the_start_comes_too_early(library, subject, level):
    assert find(subject, {}, [library]).level is level


def test_a_tpu_that_jax_is_told_not_to_use(monkeypatch):
    monkeypatch.setattr(variables, "list_tpu_devices", lambda: ["/dev/accel0"])
    assert "not used" in find("JAX_PLATFORMS", {"JAX_PLATFORMS": "cpu"}).found
    assert find("JAX_PLATFORMS", {"JAX_PLATFORMS": "tpu,cpu"}) is None
