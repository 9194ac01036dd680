"""Retraining a model of a `trainer_fn` module, and the words for what differs."""

import dataclasses
import json

import pytest
from helpers.legacy_modules import TF1_MODULE
from helpers.trainer_runs import TrainerRun, make_records
from tfx.dsl.components.common import importer
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.proto import trainer_pb2
from tfx.types import standard_artifacts

from tfx_tpu_estimator.components import Trainer
from tfx_tpu_estimator.pipelines.lineage import retraining
from tfx_tpu_estimator.pipelines.lineage.mlmd_store import MetadataLineage
from tfx_tpu_estimator.pipelines.lineage.recorded_run import read_recorded_run
from tfx_tpu_estimator.pipelines.lineage.retraining import retrain

EXAMPLES = {
    "payload_format": "FORMAT_TF_EXAMPLE",
    "file_format": "tfrecords_gzip",
    "tfx_version": "1.16.0",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Data, a store, and a model of a module that says no seed: drawn weights and order."""
    root = tmp_path_factory.mktemp("made")
    (root / "data").mkdir()
    data = TrainerRun(root / "data")
    text = TF1_MODULE.replace(", tf_random_seed=1", "").replace(", seed=1", "")
    data.module_file.write_text(text)
    examples = importer.Importer(
        source_uri=data.examples.uri,
        artifact_type=standard_artifacts.Examples,
        properties={"split_names": '["train", "eval"]'},
        custom_properties=EXAMPLES,
    ).with_id("examples")
    schema = importer.Importer(
        source_uri=data.schema.uri, artifact_type=standard_artifacts.Schema
    ).with_id("schema")
    trainer = Trainer(
        examples.outputs["result"],
        schema=schema.outputs["result"],
        module_file=str(data.module_file),
        train_args=trainer_pb2.TrainArgs(num_steps=6),
    )
    file = str(root / "metadata.sqlite")
    LocalDagRunner().run(
        pipeline.Pipeline(
            pipeline_name="old",
            pipeline_root=str(root / "artifacts"),
            components=[examples, schema, trainer],
            metadata_connection_config=metadata.sqlite_metadata_connection_config(file),
        )
    )
    store = MetadataLineage(file)
    (model,) = store.list_artifacts("Model")
    return data, store, model


def test_identical_although_a_version_differs(made, tmp_path, monkeypatch):
    _, store, model = made
    assert (model.get("seed"), model.get("replicas"), model.get("processes")) == (42, 1, 1)
    versions = retraining.describe_versions()
    monkeypatch.setattr(
        retraining, "describe_versions", lambda: {**versions, "tensorflow_version": "2.99.0"}
    )
    report = retrain(read_recorded_run(store, model), str(tmp_path))
    assert report.identical, report.differences
    (difference,) = report.differences
    assert str(difference) == (
        f"version of TensorFlow: recorded {versions['tensorflow_version']}, now 2.99.0"
    )


def test_another_seed_comes_before_what_follows_from_it(made, tmp_path):
    _, store, model = made
    recorded = read_recorded_run(store, model)
    parameters = {**recorded.parameters, "tpu_estimator_options": json.dumps({"seed": 7})}
    report = retrain(dataclasses.replace(recorded, parameters=parameters), str(tmp_path))
    assert report.trained
    assert not report.identical
    words = [str(difference) for difference in report.differences]
    assert words[0] == "seed: recorded 42, now 7"
    assert any(word.startswith("metric loss: ") for word in words)
    assert any("which differs most (by " in word for word in words)


def test_other_data_and_other_parameters_are_named(made, tmp_path):
    data, store, model = made
    kept = data.split_file("train").read_bytes()
    data.write_split("train", make_records(64, seed=9))
    try:
        report = retrain(read_recorded_run(store, model), str(tmp_path / "a"))
    finally:
        data.split_file("train").write_bytes(kept)
    assert not report.trained
    (difference,) = report.differences
    assert str(difference).startswith("training data: recorded ")
    # What is left over of a split is an error of its own.
    recorded = read_recorded_run(store, model)
    data.split_file("train").rename(data.root / "away")
    try:
        with pytest.raises(ValueError, match="split 'train' has no files at"):
            retrain(recorded, str(tmp_path / "b"))
    finally:
        (data.root / "away").rename(data.split_file("train"))
