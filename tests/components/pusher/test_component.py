"""Tests of the Pusher component's interface."""

import pytest
from tfx.components.pusher import component as tfx_component
from tfx.proto import pusher_pb2
from tfx.types import channel_utils, standard_artifacts
from tfx.utils import json_utils

from tfx_tpu_estimator.components import Pusher, PusherOptions
from tfx_tpu_estimator.components.digest import code_digest


def make(kind):
    return channel_utils.as_channel([kind()])


MODEL = make(standard_artifacts.Model)
DESTINATION = pusher_pb2.PushDestination(
    filesystem=pusher_pb2.PushDestination.Filesystem(base_directory="serving")
)


def test_drop_in():
    arguments = {
        "model": MODEL,
        "model_blessing": make(standard_artifacts.ModelBlessing),
        "infra_blessing": make(standard_artifacts.InfraBlessing),
        "push_destination": DESTINATION,
        "custom_config": {"a": 1},
    }
    ours, standard = Pusher(**arguments), tfx_component.Pusher(**arguments)
    assert ours.outputs["pushed_model"].type is standard.outputs["pushed_model"].type
    assert set(ours.inputs) == set(standard.inputs)
    for key, value in standard.exec_properties.items():
        assert ours.exec_properties[key] == value
    assert ours.exec_properties["code_digest"] == code_digest()
    assert ours.id == "Pusher"


def test_options_travel_in_the_custom_config():
    pusher = Pusher(
        model=MODEL,
        push_destination=DESTINATION,
        options=PusherOptions(require_tpu_metagraph=False),
    )
    assert json_utils.loads(pusher.exec_properties["custom_config"]) == {
        "tpu_estimator_pusher": {
            "require_tpu_metagraph": False,
            "load_model": True,
            "serve_only": False,
            "allowed_ops": [],
            "keep_versions": None,
            "allow_rolled_back": False,
            "lock_timeout_secs": 600.0,
        }
    }


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"model": None}, ValueError, "one of `model` and `infra_blessing`"),
        ({"push_destination": None}, ValueError, "`push_destination` is required"),
        (
            {"push_destination": pusher_pb2.PushDestination()},
            ValueError,
            "must have `filesystem` set",
        ),
        (
            {
                "push_destination": pusher_pb2.PushDestination(
                    filesystem=pusher_pb2.PushDestination.Filesystem()
                )
            },
            ValueError,
            "`push_destination.filesystem.base_directory` is empty",
        ),
        ({"options": {"load_model": False}}, TypeError, "`options` must be PusherOptions"),
        (
            {"options": PusherOptions(), "custom_config": {"tpu_estimator_pusher": {}}},
            ValueError,
            "are both given",
        ),
        (
            {"custom_config": {"tpu_estimator_pusher": {"x": 1}}},
            ValueError,
            "unknown key 'x'",
        ),
    ],
)
def test_wrong_arguments(arguments, error, match):
    with pytest.raises(error, match=match):
        Pusher(**{"model": MODEL, "push_destination": DESTINATION, **arguments})
