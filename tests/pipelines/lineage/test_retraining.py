"""Lineage and retraining of a model that a pipeline made, through ML Metadata."""

import contextlib
import json
import pathlib
import shutil
import sqlite3

import pytest
from click.testing import CliRunner
from helpers.pipeline_runs import make_config, run
from helpers.saved_models import write_saved_model

from tfx_tpu_estimator.cli import main
from tfx_tpu_estimator.components import PusherOptions
from tfx_tpu_estimator.pipelines import console
from tfx_tpu_estimator.pipelines.lineage import retraining
from tfx_tpu_estimator.pipelines.lineage.comparing import compare_models
from tfx_tpu_estimator.pipelines.lineage.finding import (
    ModelNotFoundError,
    find_model,
    find_store,
)
from tfx_tpu_estimator.pipelines.lineage.mlmd_store import MetadataLineage
from tfx_tpu_estimator.pipelines.lineage.recorded_run import (
    NotRepeatableError,
    read_recorded_run,
)
from tfx_tpu_estimator.pipelines.lineage.retraining import retrain
from tfx_tpu_estimator.pipelines.lineage.tracing import trace_model


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A pipeline that ran, its store and its model."""
    options = PusherOptions(serve_only=True)
    config = make_config(tmp_path_factory.mktemp("pipeline"), pusher_options=options)
    run(config)
    store = MetadataLineage(config.metadata_path)
    (model,) = store.list_artifacts("Model")
    return config, store, model


def get_schema_file(store):
    (schema,) = store.list_artifacts("Schema")
    return next(pathlib.Path(schema.uri).iterdir())


def test_a_model_is_found(made, tmp_path):
    config, store, model = made
    (pushed,) = store.list_artifacts("PushedModel")
    destination = pushed.get("pushed_destination")
    # Pushed with {serve} alone, so these are other bytes than the model's.
    assert pushed.get("pushed_digest") != model.get("model_digest")
    shutil.copytree(destination, tmp_path / "elsewhere")
    for reference in (
        str(model.id),
        str(pushed.id),
        model.uri,
        f"{model.uri}/Format-Serving/",
        destination,
        pushed.uri,
        str(tmp_path / "elsewhere"),
    ):
        assert find_model(store, reference).id == model.id, reference
    assert find_store(destination) == config.metadata_path
    for reference in ("999", str(tmp_path)):
        with pytest.raises(
            ModelNotFoundError, match=f"is no Model.*latest models there: {model.id}"
        ):
            find_model(store, reference)


def test_what_is_recorded_is_enough(made):
    _, store, model = made
    for key in (
        "train_data_digest",
        "eval_data_digest",
        "schema_digest",
        "module_digest",
        "module_source",
        "program_hash",
        "code_digest",
        "tensorflow_version",
        "python_version",
        "settings",
    ):
        assert model.get(key), key
    assert (model.get("seed"), model.get("replicas")) == (42, 1)
    recorded = read_recorded_run(store, model)
    assert sorted(recorded.inputs) == ["examples", "schema"]
    assert recorded.source.main == "user_module.py"
    assert json.loads(recorded.parameters["train_args"])["num_steps"] == 60


def test_from_data_to_push(made):
    _, store, model = made
    traced = trace_model(store, model)
    assert traced.origin.execution.node == "Trainer"
    assert [used.execution.node for used in traced.origin.inputs] == [
        "ImportExampleGen",
        "ImportSchemaGen",
    ]
    kinds = sorted(result.artifact.type for result in traced.results)
    assert kinds == ["ModelBlessing", "ModelEvaluation", "PushedModel"]


def test_identical(made, tmp_path):
    config, store, model = made
    # The module as it is today plays no part.
    module = pathlib.Path(config.module_file)
    text = module.read_text()
    module.write_text("raise ValueError")
    try:
        report = retrain(read_recorded_run(store, model), str(tmp_path / "again"))
    finally:
        module.write_text(text)
    assert report.identical, report.differences
    assert report.differences == []
    assert report.new_digest == model.get("model_digest")
    with pytest.raises(ValueError, match="has a model already"):
        retrain(read_recorded_run(store, model), str(tmp_path / "again"))


def test_other_data_is_not_trained_with(made, tmp_path, monkeypatch):
    _, store, model = made
    monkeypatch.setattr(console, "send_logs_to", lambda path: None)
    schema = get_schema_file(store)
    text = schema.read_text()
    schema.write_text(text + "# another\n")
    try:
        result = CliRunner().invoke(main, ["retrain", model.uri])
        assert result.exit_code == 1
        assert result.stdout.splitlines()[0] == "not trained: the result could not be the same."
        assert result.stdout.splitlines()[2].startswith("  schema: recorded ")
        report = retrain(read_recorded_run(store, model), str(tmp_path), anyway=True)
    finally:
        schema.write_text(text)
    # It was but a comment.
    assert report.identical
    assert [difference.what for difference in report.differences] == ["schema"]


def test_a_model_is_kept_whole_or_not_at_all(made, tmp_path, monkeypatch):
    _, _, model = made
    monkeypatch.setattr(console, "send_logs_to", lambda path: None)
    keep = tmp_path / "kept" / "again"
    args = ["retrain", model.uri, "--keep", str(keep), "--output", "json"]

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(retraining.Executor, "Do", interrupt)
        assert CliRunner().invoke(main, args).exit_code == 130
    assert list(keep.parent.iterdir()) == []

    result = CliRunner().invoke(main, args)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["new_uri"] == str(keep / "model")
    assert (keep / "model" / "Format-Serving" / "saved_model.pb").exists()
    assert list(keep.parent.iterdir()) == [keep]
    again = CliRunner().invoke(main, args)
    assert (again.exit_code, again.stdout) == (2, "")
    assert "again is not empty: give a new directory" in again.stderr


def test_what_cannot_be_repeated(made):
    _, store, model = made
    (blessing,) = store.list_artifacts("ModelBlessing")
    with pytest.raises(NotRepeatableError, match=r"not made by this package's Trainer.*Evaluator"):
        read_recorded_run(store, blessing)
    schema = get_schema_file(store).parent
    moved = schema.rename(schema.with_name("moved"))
    try:
        with pytest.raises(NotRepeatableError, match=r"`schema` of .* is not at .* any more"):
            read_recorded_run(store, model)
    finally:
        moved.rename(schema)


def test_models_that_differ(tmp_path):
    first = write_saved_model(str(tmp_path / "a"))
    second = write_saved_model(str(tmp_path / "b"), scale=1.5)
    differences = compare_models(first, second)
    assert (
        str(differences[0])
        == "variable w[0, 0], which differs most (by 0.5): recorded 1.0, now 1.5"
    )
    third = write_saved_model(str(tmp_path / "c"), tpu=None)
    assert [d.what for d in compare_models(first, third)] == ["file saved_model.pb"]
    assert compare_models(first, first) == []


def test_the_command_lineage(made, tmp_path):
    config, _, model = made
    html = tmp_path / "out" / "lineage.html"
    result = CliRunner().invoke(main, ["lineage", model.uri, "--html", str(html)])
    assert result.exit_code == 0, result.output
    assert f"Model {model.id}" in result.stdout
    assert "examples: Examples" in result.stdout
    assert html.read_text().startswith("<!doctype html>")
    args = ["lineage", str(model.id), "--metadata", config.metadata_path, "--output", "json"]
    content = json.loads(CliRunner().invoke(main, args).stdout)
    assert content["model"]["artifact"]["id"] == model.id
    assert CliRunner().invoke(main, [*args[:1], "999", *args[2:]]).exit_code == 1
    inside = [*args[:2], "--metadata", str(pathlib.Path(config.metadata_path).parent)]
    assert CliRunner().invoke(main, inside).exit_code == 0


@pytest.mark.parametrize(
    ("name", "code", "text"),
    [
        ("none", 2, "does not exist: give the SQLite file"),
        ("folder", 2, "is a directory: give the SQLite file"),
        ("text", 1, "cannot be read as a SQLite database"),
        ("empty", 1, "holds no ML Metadata"),
        ("other.sqlite", 1, "holds no ML Metadata"),
    ],
)
def test_what_is_no_store(name, code, text, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("no database, but rather long, as a header of one has 100 bytes")
    (tmp_path / "empty").touch()
    with contextlib.closing(sqlite3.connect(tmp_path / "other.sqlite")) as database:
        database.execute("CREATE TABLE mine (x INT)")
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
    result = CliRunner().invoke(main, ["lineage", "1", "--metadata", str(tmp_path / name)])
    assert (result.exit_code, result.stdout) == (code, "")
    assert text in result.stderr
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == before


def test_a_directory_of_versions_is_told_from_a_model(made):
    config, store, _ = made
    with pytest.raises(ModelNotFoundError, match=r"is a directory of \d+: name one"):
        find_model(store, config.push_dir)
