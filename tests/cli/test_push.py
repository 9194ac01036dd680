"""`tfx-tpu-estimator push` and `rollback`: table, JSON, exit codes."""

import json
import os

import pytest
from click.testing import CliRunner
from helpers.needs import TFX
from helpers.saved_models import write_saved_model
from helpers.serving_models import list_served

from tfx_tpu_estimator.cli import main

pytest.importorskip("tfx", reason=TFX)


def invoke(*args):
    return CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two models and one without {serve, tpu}, the first as a Model artifact."""
    root = tmp_path_factory.mktemp("models")
    write_saved_model(str(root / "artifact" / "Format-Serving"))
    write_saved_model(str(root / "second"), scale=2.0)
    write_saved_model(str(root / "cpu"), scale=3.0, tpu=None)
    write_saved_model(str(root / "broken"))
    (data,) = (root / "broken" / "variables").glob("*data*")
    os.truncate(data, 2)
    (root / "file").touch()
    for version in ("7", "12"):
        (root / version).mkdir()
    return root


def test_push_twice_push_another_and_roll_back(models, tmp_path):
    base = tmp_path / "serving"
    first = invoke("push", models / "artifact", base)
    assert first.exit_code == 0, first.output
    (version,) = list_served(base)
    assert first.stdout.splitlines()[0] == f"Pushed to {base}/{version}."
    row = next(line for line in first.stdout.splitlines() if line.startswith(f" {version}"))
    assert row.split()[1:3] == ["served", "push"]
    assert row.split()[-1] == str(models / "artifact" / "Format-Serving")

    again = json.loads(invoke("push", models / "artifact", base, "--output", "json").stdout)
    assert (again["ok"], again["pushed"], again["already_newest"]) == (True, False, True)

    invoke("push", models / "second", base)
    back = json.loads(invoke("rollback", base, "--output", "json").stdout)
    assert back["rolled_back_to"] == int(version)
    assert [entry["state"] for entry in back["versions"]] == ["served", "there", "there"]
    listed = invoke("rollback", base, "--list")
    assert f"rollback to {version}" in listed.stdout
    assert len(list_served(base)) == 3

    refused = invoke("push", models / "second", base)
    assert refused.exit_code == 1
    assert "Refused: this model is version" in refused.stderr


def test_serve_only(models, tmp_path):
    result = invoke("push", models / "second", tmp_path / "s", "--serve-only", "--output", "json")
    (entry,) = json.loads(result.stdout)["versions"]
    assert entry["tag_sets"] == "serve"
    assert entry["source_digest"] != entry["digest"]


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (["push", "{models}/cpu", "{base}"], 1, "has the metagraphs {serve}, not {serve, tpu}"),
        (["push", "{models}/nothing", "{base}"], 2, "nothing does not exist"),
        (["push", "{models}/artifact", "{base}", "--keep", "1"], 2, "1 is not in the range"),
        (["push", "{models}", "{base}"], 2, "is a directory without one; it has 7, 12."),
        (["push", "{second}/saved_model.pb", "{base}"], 2, "is a file; its directory is"),
        (
            ["push", "{second}", "{second}/saved_model.pb"],
            2,
            "saved_model.pb is a file.",
        ),
        (
            ["push", "{second}", "{models}/artifact"],
            2,
            "The model comes first",
        ),
        (["push", "{second}", "{second}/assets"], 2, "lies in the model"),
        (
            ["push", "{second}", "{models}/file/below"],
            1,
            "is not a directory. Give one",
        ),
        (
            ["push", "{models}/broken", "{base}"],
            1,
            "cannot be loaded: Read less bytes than requested. Export",
        ),
        (["rollback", "{base}"], 2, "serving does not exist"),
        (["rollback", "{second}/saved_model.pb", "--list"], 2, "saved_model.pb is a file."),
        (["rollback", "{models}"], 1, "choose another version with --to"),
        (["rollback", "{models}/artifact"], 1, "there is nothing to roll back"),
        (["rollback", "{models}/artifact", "--list"], 1, "has no versions"),
        (["rollback", "{base}", "--list", "--to", "1"], 2, "leave out --to"),
    ],
)
def test_refused(models, tmp_path, args, code, text):
    base = tmp_path / "serving"
    args = [arg.format(models=models, second=models / "second", base=base) for arg in args]
    result = invoke(*args)
    assert result.exit_code == code
    assert text in result.stderr
    assert not base.exists()


def test_refused_in_json(models, tmp_path):
    result = invoke("push", models / "cpu", tmp_path / "s", "--output", "json")
    assert result.exit_code == 1
    content = json.loads(result.stdout)
    assert content["ok"] is False
    assert "--no-require-tpu" in content["reason"]
    assert invoke("push", models / "cpu", tmp_path / "s", "--no-require-tpu").exit_code == 0
