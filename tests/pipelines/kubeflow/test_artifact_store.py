"""The store of local runs of a compiled pipeline."""

import pytest

from tfx_tpu_estimator.pipelines.kubeflow.artifact_store import ArtifactStore, StoredArtifact


def make_artifact(store, title, uri, **metadata):
    artifact = StoredArtifact(name=store.new_name(), title=title, uri=uri, metadata=metadata)
    store.add(artifact)
    return artifact


@pytest.fixture
def store(tmp_path):
    store = ArtifactStore(str(tmp_path / "artifacts.json"))
    for index, blessed in enumerate([1.0, 1.0, 0.0]):
        model = make_artifact(store, "tfx.Model", f"/m{index}")
        make_artifact(
            store, "tfx.ModelBlessing", f"/b{index}", blessed=blessed, current_model_id=model.name
        )
    return store


def test_the_latest_that_matches_is_found(store):
    query = 'schema_title="tfx.ModelBlessing" AND state=LIVE AND metadata.blessed.number_value=1'
    found = store.find(query)
    assert found.uri == "/b1"
    name = found.metadata["current_model_id"]
    assert store.find(f'schema_title="tfx.Model" AND state=LIVE AND name="{name}"').uri == "/m1"
    assert store.find('schema_title="tfx.Examples"') is None
    with pytest.raises(ValueError, match="which this local run cannot answer"):
        store.find("in_context(7)")


def test_what_is_saved_is_read_again(store, tmp_path):
    store.put_cached("key", {"model": make_artifact(store, "tfx.Model", str(tmp_path))})
    store.put_cached("gone", {"model": make_artifact(store, "tfx.Model", str(tmp_path / "gone"))})
    store.save()
    again = ArtifactStore(str(tmp_path / "artifacts.json"))
    assert again.find_cached("key")["model"].uri == str(tmp_path)
    assert again.find_cached("gone") is None
    assert again.find_cached("other") is None
    assert again.new_name() == store.new_name()
