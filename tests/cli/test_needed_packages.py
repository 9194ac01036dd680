"""Commands that need TFX say so where it is not installed, before anything is loaded."""

import importlib.util

import pytest
from click.testing import CliRunner

from tfx_tpu_estimator.cli import main

WAY_OUT = "is not installed: pip install 'tfx-tpu-estimator[tfx]'."


@pytest.fixture(params=["tfx", "ml_metadata"])
def missing(request, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == request.param else find_spec(name)
    )
    return {"tfx": "TFX", "ml_metadata": "ML Metadata"}[request.param]


@pytest.mark.parametrize(
    "command",
    [
        ("push", "model", "serving"),
        ("rollback", "serving"),
        ("lineage", "4"),
        ("retrain", "4"),
        ("demo", "taxi"),
        ("evaluate", "model", "--examples", "data", "--eval-config", "config"),
        ("pipeline", "run", __file__),
        ("pipeline", "image", __file__, "--output-dir", "image"),
    ],
    ids=lambda command: "-".join(command[:2]),
)
def test_what_is_missing_is_said(command, missing, monkeypatch, tmp_path):
    if importlib.util.find_spec("tfx") is None:  # it is looked for first
        missing = "TFX"
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, list(command))
    assert result.exit_code == (2 if command[0] == "evaluate" else 1)
    assert f"{missing} {WAY_OUT}" in result.output
    assert "Loading" not in result.output
