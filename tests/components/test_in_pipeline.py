"""The three components under LocalDagRunner with ML Metadata on SQLite."""

import collections
import os
import pathlib

import pytest
from helpers.evaluator_runs import parse_config
from helpers.legacy_modules import MODEL_FN_MODULE
from helpers.trainer_runs import TrainerRun
from helpers.user_modules import MODEL
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.components.common import importer
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.proto import pusher_pb2, trainer_pb2
from tfx.types import standard_artifacts

from tfx_tpu_estimator.components import (
    Evaluator,
    Pusher,
    PusherOptions,
    TPUEstimatorOptions,
    Trainer,
)

CONFIG = parse_config(
    """
    model_specs { label_key: "label" }
    slicing_specs {}
    metrics_specs { metrics { class_name: "BinaryAccuracy"
      threshold { value_threshold { lower_bound { value: 0.6 } } } } }
    """
)


class Project:
    """A small pipeline on data that is there already."""

    def __init__(self, root: pathlib.Path):
        self.data = TrainerRun(root / "data")
        self.root = root / "pipeline"
        self.connection = metadata.sqlite_metadata_connection_config(str(root / "metadata.db"))
        self.serving = root / "serving"
        self.train_steps = 20
        self.require_tpu_metagraph = True

    def run(self):
        custom = {
            "payload_format": "FORMAT_TF_EXAMPLE",
            "file_format": "tfrecords_gzip",
            # Without it TFX takes the artifact for one of before it named folders Split-*.
            "tfx_version": "1.16.0",
        }
        examples = importer.Importer(
            source_uri=self.data.examples.uri,
            artifact_type=standard_artifacts.Examples,
            properties={"split_names": '["train", "eval"]'},
            custom_properties=custom,
        ).with_id("examples")
        schema = importer.Importer(
            source_uri=self.data.schema.uri, artifact_type=standard_artifacts.Schema
        ).with_id("schema")
        trainer = Trainer(
            examples.outputs["result"],
            schema=schema.outputs["result"],
            module_file=str(self.data.module_file),
            train_args=trainer_pb2.TrainArgs(num_steps=self.train_steps),
            options=TPUEstimatorOptions(
                train_batch_size=16, label_key="label", save_checkpoints_steps=5
            ),
        )
        evaluator = Evaluator(
            examples=examples.outputs["result"],
            model=trainer.outputs["model"],
            eval_config=CONFIG,
        )
        pusher = Pusher(
            model=trainer.outputs["model"],
            model_blessing=evaluator.outputs["blessing"],
            options=PusherOptions(require_tpu_metagraph=self.require_tpu_metagraph),
            push_destination=pusher_pb2.PushDestination(
                filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=str(self.serving))
            ),
        )
        LocalDagRunner().run(
            pipeline.Pipeline(
                pipeline_name="small",
                pipeline_root=str(self.root),
                components=[examples, schema, trainer, evaluator, pusher],
                metadata_connection_config=self.connection,
                enable_cache=True,
            )
        )

    def states(self):
        """How often each component ended in each state."""
        state = metadata_store_pb2.Execution.State
        with metadata.Metadata(self.connection) as handle:
            types = {t.id: t.name.split(".")[-1] for t in handle.store.get_execution_types()}
            return collections.Counter(
                (types[e.type_id], state.Name(e.last_known_state))
                for e in handle.store.get_executions()
                if types[e.type_id] in ("Trainer", "Evaluator", "Pusher")
            )

    def artifacts(self, kind):
        with metadata.Metadata(self.connection) as handle:
            return handle.store.get_artifacts_by_type(kind)

    def versions(self):
        return sorted(name for name in os.listdir(self.serving) if name.isdigit())


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def test_pushed_then_cached_then_run_again_for_new_code(project):
    (project.data.root / "neighbour.py").write_text("RATE = 0.5\n")
    project.data.module_file.write_text("from neighbour import RATE\n" + MODEL)
    project.run()
    project.run()
    assert project.states() == {
        (name, state): 1
        for name in ("Trainer", "Evaluator", "Pusher")
        for state in ("COMPLETE", "CACHED")
    }
    (pushed,) = project.artifacts("PushedModel")
    assert pushed.custom_properties["pushed"].int_value == 1
    assert project.versions() == [pushed.custom_properties["pushed_version"].string_value]
    (blessing,) = project.artifacts("ModelBlessing")
    (model,) = project.artifacts("Model")
    assert blessing.custom_properties["current_model_id"].int_value == model.id
    assert model.custom_properties["metric/accuracy"].double_value > 0.6
    # A file beside the module is part of it, although TFX hashes the module only.
    (project.data.root / "neighbour.py").write_text("RATE = 0.25\n")
    project.run()
    assert project.states()[("Trainer", "COMPLETE")] == 2
    # The change had no effect on the model, and so none on what is served.
    assert len(project.versions()) == 1
    newest = max(project.artifacts("PushedModel"), key=lambda artifact: artifact.id)
    assert newest.custom_properties["already_newest"].int_value == 1


def test_a_failed_execution_leaves_checkpoints_only_and_is_resumed(project, monkeypatch, caplog):
    failing = MODEL.replace(
        'if mode == "eval":',
        'import os\n    if mode == "eval" and os.environ.get("FAIL"):\n'
        '        raise ValueError("stop here")\n    if mode == "eval":',
    )
    project.data.module_file.write_text(failing)
    with monkeypatch.context() as patch:
        patch.setenv("FAIL", "1")
        with pytest.raises(Exception, match="stop here"):
            project.run()
    assert project.states() == {("Trainer", "FAILED"): 1}
    node = project.root / "Trainer"
    assert not list(node.glob("model*/*"))
    assert len(list(node.glob(".checkpoints/*"))) == 1
    with caplog.at_level("INFO"):
        project.run()
    assert "Resuming training from step 20" in caplog.text
    assert project.states()[("Pusher", "COMPLETE")] == 1
    assert list(node.glob(".checkpoints/*")) == []


def test_an_unblessed_model_is_not_pushed(project):
    project.data.module_file.write_text(MODEL.replace("minimize(loss", "minimize(-loss"))
    project.run()
    (pushed,) = project.artifacts("PushedModel")
    assert pushed.custom_properties["pushed"].int_value == 0
    reason = pushed.custom_properties["reason"].string_value
    assert "binary_accuracy on all examples is " in reason
    assert not project.serving.exists()


def test_an_old_module_with_trainer_fn_is_trained_blessed_and_pushed(project):
    project.data.module_file.write_text(MODEL_FN_MODULE)
    project.require_tpu_metagraph = False  # an Estimator exports {serve} only
    project.run()
    (model,) = project.artifacts("Model")
    assert model.custom_properties["global_step"].int_value == 20
    assert project.states()[("Evaluator", "COMPLETE")] == 1
    assert len(project.versions()) == 1
