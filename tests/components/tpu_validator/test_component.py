"""Tests of the TPUValidator component's interface."""

import pytest
from tfx.components.infra_validator import component as tfx_component
from tfx.proto import infra_validator_pb2
from tfx.types import channel_utils, standard_artifacts

from tfx_tpu_estimator.components import Pusher, TPUValidator, TPUValidatorOptions
from tfx_tpu_estimator.components.digest import code_digest


def make(kind):
    return channel_utils.as_channel([kind()])


MODEL = make(standard_artifacts.Model)
EXAMPLES = make(standard_artifacts.Examples)
OPTIONS = TPUValidatorOptions(topology="v5e:2x2")


def test_it_takes_the_place_of_the_infra_validator():
    ours = TPUValidator(MODEL, examples=EXAMPLES, options=OPTIONS)
    standard = tfx_component.InfraValidator(
        MODEL, examples=EXAMPLES, serving_spec=infra_validator_pb2.ServingSpec()
    )
    assert ours.outputs["blessing"].type is standard.outputs["blessing"].type
    assert set(ours.inputs) == set(standard.inputs)
    assert ours.id == "TPUValidator"
    assert ours.exec_properties["code_digest"] == code_digest()
    assert TPUValidatorOptions.from_json(ours.exec_properties["tpu_validator_options"]) == OPTIONS
    Pusher(
        MODEL,
        infra_blessing=ours.outputs["blessing"],
        push_destination=_destination(),
    )


def _destination():
    from tfx.proto import pusher_pb2

    return pusher_pb2.PushDestination(
        filesystem=pusher_pb2.PushDestination.Filesystem(base_directory="serving")
    )


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"model": None}, ValueError, "`model` is required"),
        ({"options": None}, ValueError, r"only you know the TPU.*TPUValidatorOptions\(topology="),
        ({"options": {"topology": "v5e"}}, TypeError, "`options` must be TPUValidatorOptions"),
        (
            {
                "examples": None,
                "options": TPUValidatorOptions(topology="v5e:2x2", compile_check=False),
            },
            ValueError,
            "there is nothing to check",
        ),
    ],
)
def test_wrong_arguments(arguments, error, match):
    with pytest.raises(error, match=match):
        TPUValidator(**{"model": MODEL, "examples": EXAMPLES, "options": OPTIONS, **arguments})
