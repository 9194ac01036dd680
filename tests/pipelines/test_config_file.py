"""A pipeline's parameters from a user's file."""

import sys

import pytest
from helpers.pipeline_runs import make_config

from tfx_tpu_estimator.pipelines.config_file import load_config

FILE = """
from beside import STEPS
from helpers.pipeline_runs import make_config as make

def make_config(directory):
    return make({folder!r}, root=directory, train_steps=STEPS)
"""


def test_the_file_is_called_with_the_directory(tmp_path, monkeypatch):
    (tmp_path / "beside.py").write_text("STEPS = 7")
    (tmp_path / "pipeline_of_mine.py").write_text(FILE.format(folder=str(tmp_path)))
    monkeypatch.chdir(tmp_path)
    config = load_config("pipeline_of_mine.py", "out")
    assert config.root == str(tmp_path / "out")
    assert config.train_steps == 7
    assert config.splits == make_config(tmp_path).splits
    assert load_config("pipeline_of_mine.py", "gs://b/out").root == "gs://b/out"
    # For what is imported later; of both calls, once.
    assert sys.path[0] == str(tmp_path)
    assert sys.path.count(str(tmp_path)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", r"has no function `make_config\(directory\)`"),
        ("def make_config(directory): return {}", "must return a PipelineConfig, got dict"),
        ("def make_config(): pass", r"fails: TypeError: make_config\(\) takes 0 positional"),
        ("import no_such_thing", r"ModuleNotFoundError: .* \(line 1: import no_such_thing\)"),
        ("def make_config(d):\n    return d.x", r"AttributeError: .* \(line 2: return d.x\)"),
        ("def make_config(d:", "SyntaxError"),
    ],
)
def test_what_cannot_be_used(tmp_path, text, message):
    path = tmp_path / "wrong.py"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_config(str(path), "out")


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        load_config(str(tmp_path / "none.py"), "out")
