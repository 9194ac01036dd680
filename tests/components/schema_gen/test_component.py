"""What makes imported data and schemas be imported again."""

import collections

import pytest
from helpers.tfrecords import make_example, write_records
from helpers.user_modules import SCHEMA
from ml_metadata.proto import metadata_store_pb2
from tfx.components.schema_gen.import_schema_gen import component as tfx_schema_gen
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner

from tfx_tpu_estimator.components import ImportExampleGen, ImportSchemaGen
from tfx_tpu_estimator.components.digest import code_digest
from tfx_tpu_estimator.components.example_gen import component as example_gen


class Imports:
    """A pipeline that imports examples and a schema."""

    def __init__(self, root):
        self.root = root
        self.schema_file = root / "schema.pbtxt"
        self.schema_file.write_text(SCHEMA)
        write_records(root / "data" / "a.tfrecord", [make_example(x=1.0)] * 5)
        self.connection = metadata.sqlite_metadata_connection_config(str(root / "metadata.db"))

    def run(self):
        """Runs it; returns how often each component has run and been skipped."""
        nodes = [
            ImportExampleGen(input_base=str(self.root / "data")),
            ImportSchemaGen(schema_file=str(self.schema_file)),
        ]
        LocalDagRunner().run(
            pipeline.Pipeline(
                pipeline_name="imports",
                pipeline_root=str(self.root / "artifacts"),
                components=nodes,
                metadata_connection_config=self.connection,
                enable_cache=True,
            )
        )
        with metadata.Metadata(self.connection) as handle:
            types = {t.id: t.name.split(".")[-1] for t in handle.store.get_execution_types()}
            state = metadata_store_pb2.Execution.State
            return collections.Counter(
                f"{types[e.type_id]} {state.Name(e.last_known_state)}"
                for e in handle.store.get_executions()
            )


@pytest.fixture
def imports(tmp_path):
    (tmp_path / "data").mkdir()
    return Imports(tmp_path)


def test_what_has_changed_is_imported_again(imports, monkeypatch):
    imports.run()
    seen = imports.run()
    assert seen == {
        f"{name} {state}": 1
        for name in ("ImportExampleGen", "ImportSchemaGen")
        for state in ("COMPLETE", "CACHED")
    }
    # The same path, other contents.
    imports.schema_file.write_text(SCHEMA.replace("max: 2", "max: 3"))
    seen = imports.run()
    assert seen["ImportSchemaGen COMPLETE"] == seen["ImportExampleGen CACHED"] == 2
    monkeypatch.setattr(example_gen, "code_digest", lambda: "another")
    seen = imports.run()
    assert seen["ImportExampleGen COMPLETE"] == seen["ImportSchemaGen CACHED"] == 2


def test_drop_ins(imports):
    schema = ImportSchemaGen(schema_file=str(imports.schema_file))
    standard = tfx_schema_gen.ImportSchemaGen(schema_file=str(imports.schema_file))
    assert {k: c.type for k, c in schema.outputs.items()} == {
        k: c.type for k, c in standard.outputs.items()
    }
    assert schema.id == "ImportSchemaGen"
    assert len(schema.exec_properties["schema_digest"]) == 64
    away = ImportSchemaGen(schema_file="/not/on/this/machine/schema.pbtxt")
    assert "schema_digest" not in away.exec_properties
    examples = ImportExampleGen(input_base="somewhere")
    assert examples.exec_properties["code_digest"] == code_digest()
    assert examples.id == "ImportExampleGen"
