"""Packages: what is missing, doubled, or of versions that do not go together."""

import pytest

from tfx_tpu_estimator.doctor import packages
from tfx_tpu_estimator.doctor.finding import Level

GOOD = {
    "tensorflow": "2.16.2", "jax": "0.4.34", "tf-keras": "2.16.0", "libtpu": "0.0.21",
    "tfx": "1.16.0", "kfp": "2.5.0", "apache-airflow": "2.10.5",
}  # fmt: skip


def find(subject, **changes):
    versions = {**GOOD, **{name.replace("_", "-"): value for name, value in changes.items()}}
    found = packages.check_packages(versions.get)
    return next(finding for finding in found if finding.subject == subject)


def test_a_tested_set_is_in_order():
    levels = {finding.level for finding in packages.check_packages(GOOD.get)}
    assert levels == {Level.OK}


@pytest.mark.parametrize(
    ("subject", "changes", "level", "found", "way_out"),
    [
        ("TensorFlow", {"tensorflow_cpu": "2.15.0"}, Level.PROBLEM, "mix their files",
         "Uninstall"),
        ("tensorflow", {"tensorflow": None}, Level.PROBLEM, "not installed", "pip install"),
        ("jax", {"jax": None}, Level.PROBLEM, "use_tpu=True", "pip install"),
        ("tf-keras", {"tf_keras": None}, Level.PROBLEM, "tf.compat.v1.layers", "pip install"),
        ("tf-keras", {"tf_keras": "2.21.0"}, Level.ATTENTION, "another TensorFlow", "2.16.*"),
        ("libtpu", {"libtpu": None}, Level.NOTE, "tfx-tpu-estimator compile", "[tpu]"),
        ("libtpu", {"libtpu": "0.0.2"}, Level.ATTENTION, "not known to go with jax 0.4.34",
         "install"),
        ("libtpu", {"libtpu_nightly": "0.1.dev1"}, Level.ATTENTION, "overwrite", "Uninstall both"),
        ("TFX", {"tfx": None}, Level.NOTE, "components and pipelines", "[tfx]"),
        ("Kubeflow Pipelines", {"kfp": None}, Level.NOTE, "Kubeflow", "[kubeflow]"),
        ("Airflow", {"apache_airflow": None}, Level.NOTE, "Airflow", "[airflow]"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_a_way_out(subject, changes, level, found, way_out):
    finding = find(subject, **changes)
    assert finding.level is level
    assert found in finding.found
    assert way_out in finding.way_out


def test_requirements_of_this_environment_are_met():
    (finding,) = packages.check_requirements()
    assert finding.level is Level.OK, finding.found


def test_a_requirement_that_is_not_met_is_named():
    def find_other(name):
        return "1.0.0" if name == "numpy" else packages.find_version(name)

    findings = packages.check_requirements(["tensorflow"], find_other)
    assert findings[0].level is Level.PROBLEM
    assert "needs numpy" in findings[0].found
    assert "numpy 1.0.0 is installed" in findings[0].found
    missing = packages.check_requirements(["jax"], lambda n: "1" if n == "jax" else None)
    assert any("which is not installed" in finding.found for finding in missing)


def test_pip_matters_to_tfx(monkeypatch):
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    (finding,) = packages.check_pip(GOOD.get)
    assert finding.level is Level.ATTENTION
    assert "No module named pip" in finding.found
    (finding,) = packages.check_pip({}.get)
    assert finding.level is Level.NOTE
