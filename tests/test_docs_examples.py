"""The programs of README and docs run as they are printed."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
# A program of the documentation: its file name on a line of its own, then its code.
PROGRAM = re.compile(r"^`(\w+\.py)`:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A directory with all programs of the documentation, and the data of the quick start."""
    path = tmp_path_factory.mktemp("project")
    for page in ("quickstart.md", "writing_a_pipeline.md"):
        for name, code in PROGRAM.findall((ROOT / "docs" / page).read_text()):
            (path / name).write_text(code)
    run(path, "write_data.py")
    return path


def run(folder, name):
    result = subprocess.run(
        [sys.executable, name], cwd=folder, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.slow
def test_the_pipeline_of_the_quick_start(folder):
    output = run(folder, "my_pipeline.py")
    assert "blessing: all thresholds passed (no baseline model" in output
    pushed = re.search(r"^pushed to: (out/pushed/\d+)$", output, re.MULTILINE)[1]
    assert (folder / pushed / "saved_model.pb").exists()
    assert "'Trainer': 'CACHED'" in run(folder, "my_pipeline.py")
    assert [path.name for path in (folder / "out/pushed").glob("[0-9]*")] == [pushed[-10:]]


@pytest.mark.slow
def test_the_components_in_a_pipeline_of_ones_own(folder):
    run(folder, "my_tfx_pipeline.py")
    assert len(list((folder / "out_tfx/pushed").glob("[0-9]*/saved_model.pb"))) == 1


def test_train_and_evaluate(tmp_path):
    page = (ROOT / "docs" / "train_and_evaluate.md").read_text()
    ((name, code),) = PROGRAM.findall(page)
    (tmp_path / name).write_text(code)
    output = run(tmp_path, name)
    assert re.search(r"^stopped at step \d+00 with loss \d.\d+e-05$", output, re.MULTILINE)
    exported = re.search(r"^exported \['(.*)', '(.*)'\]$", output, re.MULTILINE)
    for path in exported.groups():
        assert (tmp_path / path / "saved_model.pb").exists()


def test_canned_estimators(tmp_path):
    page = (ROOT / "docs" / "canned.md").read_text()
    ((name, code),) = PROGRAM.findall(page)
    (tmp_path / name).write_text(code)
    output = run(tmp_path, name)
    assert "'auc_precision_recall'" in output
    assert float(re.search(r"^accuracy (.*)$", output, re.MULTILINE)[1]) > 0.6


def test_embeddings(tmp_path):
    page = (ROOT / "docs" / "embeddings.md").read_text()
    ((name, code),) = PROGRAM.findall(page)
    (tmp_path / name).write_text(code)
    assert re.search(r"'global_step': 40\}\n\(1000, 16\)\n$", run(tmp_path, name))


def test_warm_start(tmp_path):
    page = (ROOT / "docs" / "estimator.md").read_text()
    ((name, code),) = PROGRAM.findall(page)
    (tmp_path / name).write_text(code)
    assert run(tmp_path, name) == "cat, ant: True\ndog: [0. 0.]\n"


def test_the_readmes_python_example(tmp_path):
    readme = (ROOT / "README.md").read_text().partition("## The Python API")[2]
    code = re.search(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)[1]
    (tmp_path / "example.py").write_text(code)
    output = run(tmp_path, "example.py")
    assert "'global_step': 100" in output
    assert len(list((tmp_path / "export").glob("[0-9]*/saved_model.pb"))) == 1
