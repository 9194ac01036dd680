"""Tests of the VertexPusher up to the call of TFX's extension; Vertex AI itself is not there."""

import pytest
from helpers.artifacts import make_artifact
from helpers.object_store import ObjectStore
from helpers.saved_models import write_saved_model
from tfx.dsl.io import filesystem_registry
from tfx.types import channel_utils, standard_artifacts

from tfx_tpu_estimator.components import PusherOptions, VertexDestination

GIVEN = {
    "project": "ours",
    "region": "us-central1",
    "endpoint_name": "taxi",
    "container_image": "registry/serving:1",
}


def test_what_is_given_is_kept():
    destination = VertexDestination(**GIVEN, deploy_args={"machine_type": "n1-standard-4"})
    assert VertexDestination(**destination.to_dict()) == destination


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"projct": "x"}, TypeError, "`projct` is not a VertexDestination.*Did you mean `project`"),
        ({"project": ""}, ValueError, "`project` is empty"),
        ({"region": "us-central1-a"}, ValueError, "`region` must be a region of Google Cloud"),
        ({"region": 1}, TypeError, "`region` must be str"),
        ({"deploy_args": 3}, TypeError, "`deploy_args` must be Mapping"),
        ({"deploy_args": {"project": "x"}}, ValueError, "follows from the fields"),
        (
            {"deploy_args": {"machine_typ": "x"}},
            ValueError,
            "`machine_typ` is not an aiplatform.Model.deploy.*Did you mean `machine_type`",
        ),
        ({"deploy_args": {"labels": {1, 2}}}, TypeError, "only what JSON can say"),
    ],
)
def test_wrong_destinations(arguments, error, match):
    with pytest.raises(error, match=match):
        VertexDestination(**{**GIVEN, **arguments})


@pytest.fixture
def storage(monkeypatch):
    """A store in place of Cloud Storage."""
    registry = filesystem_registry.DEFAULT_FILESYSTEM_REGISTRY
    preferred = dict(registry._preferred_filesystem_by_scheme, **{"gs://": ObjectStore})
    monkeypatch.setattr(registry, "_preferred_filesystem_by_scheme", preferred)
    ObjectStore.reset()
    yield ObjectStore.objects
    ObjectStore.reset()


@pytest.mark.slow
def test_what_reaches_tfx(tmp_path, storage, monkeypatch):
    """Importing TFX's extension takes 15 seconds of CPU."""
    from tfx.extensions.google_cloud_ai_platform import runner

    from tfx_tpu_estimator.components import VertexPusher

    calls = []

    def deploy(**arguments):
        calls.append(arguments)
        return "projects/ours/locations/us-central1/models/1"

    monkeypatch.setattr(runner, "deploy_model_for_aip_prediction", deploy)
    model = make_artifact(standard_artifacts.Model, tmp_path / "model")
    write_saved_model(f"{model.uri}/Format-Serving")
    pusher = VertexPusher(
        model=channel_utils.as_channel([model]),
        destination=VertexDestination(**GIVEN, deploy_args={"machine_type": "n1-standard-4"}),
        options=PusherOptions(serve_only=True),
    )
    executor = pusher.executor_spec.executor_class()
    pushed = standard_artifacts.PushedModel()
    pushed.uri = "gs://bucket/pushed"
    executor.Do({"model": [model]}, {"pushed_model": [pushed]}, pusher.exec_properties)
    (call,) = calls
    assert call["serving_path"] == "gs://bucket/pushed"
    assert "gs://bucket/pushed/saved_model.pb" in storage
    assert call["ai_platform_serving_args"] == {
        "machine_type": "n1-standard-4",
        "project": "ours",
        "endpoint_name": "taxi",
    }
    assert (call["endpoint_region"], call["enable_vertex"]) == ("us-central1", True)
    assert call["serving_container_image_uri"] == "registry/serving:1"
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_destination").endswith("models/1")

    pushed.uri = str(tmp_path / "local")
    with pytest.raises(ValueError, match="`pipeline_root` must be on Cloud Storage"):
        executor.Do({"model": [model]}, {"pushed_model": [pushed]}, pusher.exec_properties)
    with pytest.raises(TypeError, match="`destination` must be VertexDestination, got None"):
        VertexPusher(model=channel_utils.as_channel([model]))


@pytest.mark.slow
def test_arguments_are_those_of_vertex():
    import inspect

    from google.cloud import aiplatform

    from tfx_tpu_estimator.components.pusher.vertex_options import _DEPLOY_ARGS

    names = set(inspect.signature(aiplatform.Model.deploy).parameters)
    # TFX takes the labels out for the endpoint.
    assert set(_DEPLOY_ARGS) - {"labels"} <= names
