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
        ({"serve_only": 1}, TypeError, "`serve_only` must be bool, got 1"),
        ({"allowed_ops": "PyFunc"}, TypeError, "`allowed_ops` must be a tuple of names"),
        ({"allowed_ops": [1]}, TypeError, "`allowed_ops` must be a tuple of names"),
        ({"keep_versions": 1}, ValueError, "`keep_versions` must be at least 2, got 1"),
        ({"keep_versions": 2.5}, TypeError, "`keep_versions` must be int, got 2.5"),
        ({"lock_timeout_secs": -1}, ValueError, "`lock_timeout_secs` must be >= 0"),
    ],
)
def test_wrong_entries(entry, error, match):
    with pytest.raises(error, match=match):
        read_pusher_options({"tpu_estimator_pusher": entry})


def test_unknown_option_names_the_nearest():
    with pytest.raises(TypeError, match=r"`load_modle`.*Did you mean `load_model`"):
        PusherOptions(load_modle=False)


def test_what_runners_make_of_values():
    """JSON has lists only, and Vertex hands integers over as floats."""
    entry = {"allowed_ops": ["A"], "keep_versions": 3.0}
    options = read_pusher_options({"tpu_estimator_pusher": entry})
    assert (options.allowed_ops, options.keep_versions) == (("A",), 3)
