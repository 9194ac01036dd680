"""ML Metadata on real servers: PostgreSQL, and MariaDB with MySQL's protocol."""

import pytest
from helpers import database_servers, pipeline_runs
from helpers.needs import TFX

pytest.importorskip("ml_metadata", reason=TFX)

from ml_metadata.proto import metadata_store_pb2

from tfx_tpu_estimator.pipelines.lineage.mlmd_store import MetadataLineage
from tfx_tpu_estimator.pipelines.lineage.recorded_run import read_recorded_run
from tfx_tpu_estimator.pipelines.lineage.retraining import retrain
from tfx_tpu_estimator.pipelines.lineage.tracing import trace_model
from tfx_tpu_estimator.pipelines.metadata_store import connect
from tfx_tpu_estimator.pipelines.pipeline import create_pipeline
from tfx_tpu_estimator.pipelines.report import read_latest_run


@pytest.fixture(scope="module")
def postgresql():
    with database_servers.run_postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def mariadb():
    with database_servers.run_mariadb() as server:
        yield server


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request):
    return request.getfixturevalue(request.param)


def put_model(store, uri):
    kind = metadata_store_pb2.ArtifactType(name="TrainedThing")
    kind.properties["step"] = metadata_store_pb2.INT
    artifact = metadata_store_pb2.Artifact(type_id=store.put_artifact_type(kind), uri=uri)
    artifact.properties["step"].int_value = 60
    artifact.custom_properties["reason"].string_value = "größer 0,8: all passed"
    return store.put_artifacts([artifact])[0]


def test_what_is_put_is_read_back(server):
    artifact_id = put_model(connect(server.url), "gs://bucket/model/1")
    again = connect(server.url)
    (found,) = again.get_artifacts_by_uri("gs://bucket/model/1")
    assert found.id == artifact_id
    assert found.properties["step"].int_value == 60
    assert found.custom_properties["reason"].string_value == "größer 0,8: all passed"
    assert artifact_id in [a.id for a in again.get_artifacts_by_type("TrainedThing")]


def test_a_restarted_server_has_kept_everything(server):
    put_model(connect(server.url), "gs://bucket/model/2")
    server.stop()
    server.start()
    assert len(connect(server.url).get_artifacts_by_uri("gs://bucket/model/2")) == 1


def test_a_server_that_refuses(server):
    wrong = server.url.replace("p%40ss", "pass")
    with pytest.raises(
        ConnectionError, match=r"could not open .*:\*\*\*@127.*Check that it runs"
    ) as it:
        connect(wrong)
    assert "pass/" not in str(it.value)
    assert "pass%2F" not in str(it.value)


def test_what_only_some_servers_can_write(postgresql, mariadb, tmp_path):
    # ML Metadata's own fault, which `create_pipeline` tells of before anything runs.
    store = connect(postgresql.url)
    with pytest.raises(Exception, match="syntax error"):
        put_model(store, "gs://bucket/a\\b")
    assert put_model(connect(mariadb.url), "gs://bucket/a\\b")
    changes = {"custom_config": {"pattern": r"\d+"}}
    config = pipeline_runs.make_config(tmp_path, metadata_path=postgresql.url, **changes)
    with pytest.raises(ValueError, match=r"`custom_config` of Trainer has a backslash.*PostgreSQL"):
        create_pipeline(config)
    assert create_pipeline(
        pipeline_runs.make_config(tmp_path, metadata_path=mariadb.url, **changes)
    )


@pytest.mark.slow
def test_a_pipeline_runs_with_its_metadata_on_postgresql(postgresql, tmp_path):
    config = pipeline_runs.make_config(tmp_path, metadata_path=postgresql.url)
    first = pipeline_runs.run(config)
    assert set(first.nodes.values()) == {"COMPLETE"}
    assert first.artifacts["ModelBlessing"]["blessed"] == 1
    second = pipeline_runs.run(config)
    assert second.nodes["Trainer"] == "CACHED"
    found = read_latest_run(postgresql.url, "small").artifacts["Model"]
    assert found["model_digest"] == first.artifacts["Model"]["model_digest"]
    assert not (tmp_path / "metadata.sqlite").exists()
    # What the server holds is enough to train the model again.
    store = MetadataLineage(postgresql.url)
    (model,) = store.list_artifacts("Model")
    assert [o.name for o in trace_model(store, model).origin.inputs] == ["examples", "schema"]
    report = retrain(read_recorded_run(store, model), str(tmp_path / "again"))
    assert report.identical, report.differences
