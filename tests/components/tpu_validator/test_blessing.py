"""Tests of writing an InfraBlessing: TFX's own Pusher must read it."""

import os

import pytest
from helpers.artifacts import make_artifact
from tfx.components.pusher import executor as tfx_pusher
from tfx.types import standard_artifacts

from tfx_tpu_estimator.components.tpu_validator.blessing import (
    Verdict,
    join_verdicts,
    write_infra_blessing,
)


@pytest.mark.parametrize(
    ("blessed", "file"), [(True, "INFRA_BLESSED"), (False, "INFRA_NOT_BLESSED")]
)
def test_the_standard_pusher_reads_it(tmp_path, blessed, file):
    blessing = make_artifact(standard_artifacts.InfraBlessing, tmp_path / "blessing")
    model = make_artifact(standard_artifacts.Model, tmp_path / "model")
    for verdict in (not blessed, blessed):  # what an earlier attempt left behind goes
        write_infra_blessing(
            blessing, Verdict(blessed=verdict, reason="because"), model, {"topology": "v5e:2x2"}
        )
    assert os.listdir(blessing.uri) == [file]
    assert tfx_pusher.Executor().CheckBlessing({"infra_blessing": [blessing]}) is blessed
    assert blessing.get_string_custom_property("reason") == "because"
    assert blessing.get_string_custom_property("current_model") == model.uri
    assert not blessing.has_custom_property("current_model_id")
    assert blessing.get_string_custom_property("topology") == "v5e:2x2"


def test_one_fault_is_enough_and_only_faults_are_told():
    good = Verdict(blessed=True, reason="it fits")
    bad = Verdict(blessed=False, reason="it differs")
    assert join_verdicts(good, good) == Verdict(blessed=True, reason="it fits; it fits")
    assert join_verdicts(good, bad) == Verdict(blessed=False, reason="it differs")
