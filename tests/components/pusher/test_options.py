"""Tests of PusherOptions."""

import pytest

from tfx_tpu_estimator.components.pusher.options import PusherOptions, read_pusher_options


def test_defaults_check_everything():
    assert read_pusher_options(None) == PusherOptions()
    assert PusherOptions().require_tpu_metagraph
    assert PusherOptions().load_model


def test_read_from_custom_config():
    config = {"tpu_estimator_pusher": {"require_tpu_metagraph": False}, "other": 1}
    assert read_pusher_options(config) == PusherOptions(require_tpu_metagraph=False)


@pytest.mark.parametrize(
    ("entry", "error", "match"),
    [
        ([1], TypeError, "must be a dict"),
        ({"require_tpu": True}, ValueError, "unknown key 'require_tpu'.*require_tpu_metagraph"),
        ({"load_model": "yes"}, TypeError, "`load_model` must be bool, got 'yes'"),
    ],
)
def test_wrong_entries(entry, error, match):
    with pytest.raises(error, match=match):
        read_pusher_options({"tpu_estimator_pusher": entry})


def test_unknown_option_names_the_nearest():
    with pytest.raises(TypeError, match=r"`load_modle`.*Did you mean `load_model`"):
        PusherOptions(load_modle=False)
