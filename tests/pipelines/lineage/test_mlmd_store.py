"""What executions say, as different launchers of TFX record them."""

import pytest
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2

from tfx_tpu_estimator.pipelines.lineage.mlmd_store import MetadataLineage

TRAINER = "tfx_tpu_estimator.components.trainer.component.Trainer"


@pytest.fixture
def record(tmp_path):
    """Records an execution that makes a model; returns what is read of it."""
    path = str(tmp_path / "metadata.sqlite")
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = path
    store = metadata_store.MetadataStore(config)

    def call(node=None, **properties):
        kind = metadata_store_pb2.ExecutionType(name=TRAINER)
        for name in properties:
            kind.properties[name] = metadata_store_pb2.STRING
        execution = metadata_store_pb2.Execution(type_id=store.put_execution_type(kind))
        for name, value in properties.items():
            execution.properties[name].string_value = value
        model = metadata_store_pb2.Artifact(
            type_id=store.put_artifact_type(metadata_store_pb2.ArtifactType(name="Model"))
        )
        event = metadata_store_pb2.Event(type=metadata_store_pb2.Event.OUTPUT)
        contexts = []
        for name, value in {"pipeline": "taxi", "node": node}.items():
            if value is not None:
                type_id = store.put_context_type(metadata_store_pb2.ContextType(name=name))
                contexts.append(metadata_store_pb2.Context(type_id=type_id, name=value))
        _, (made,), _ = store.put_execution(execution, [(model, event)], contexts)
        return MetadataLineage(path).get_producer(made)

    return call


def test_what_is_none_in_airflow_is_not_there(record):
    found = record(module_file="taxi.py", module_path="None", run_fn="None", component_id="Trainer")
    assert found.properties == {"module_file": "taxi.py", "component_id": "Trainer"}
    assert (found.node, found.type, found.pipeline) == ("Trainer", TRAINER, "taxi")


def test_a_node_is_called_as_its_context(record):
    assert record(node="taxi.Trainer.small", component_id="Trainer").node == "Trainer.small"


def test_without_a_name_it_is_called_as_its_type(record):
    assert record(module_file="taxi.py").node == TRAINER
