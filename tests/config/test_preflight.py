import pytest

from tfx_tpu_estimator import CompilePreflight, RunConfig


@pytest.mark.parametrize(
    ("given", "topologies"),
    [
        ("v5e:2x2", ("v5e:2x2",)),
        (["v5e:2x2", "v4:2x2x1"], ("v5e:2x2", "v4:2x2x1")),
        (CompilePreflight(topologies=("v3:2x2",)), ("v3:2x2",)),
        (CompilePreflight(topologies="v3:2x2"), ("v3:2x2",)),
        (CompilePreflight(topologies=["v3:2x2"]), ("v3:2x2",)),
    ],
)
def test_forms(given, topologies):
    config = RunConfig(compile_preflight=given)
    assert config.compile_preflight.topologies == topologies
    assert config.replace(tf_random_seed=1).compile_preflight == config.compile_preflight
    assert config.replace(compile_preflight=None).compile_preflight is None


def test_none_is_the_default():
    assert RunConfig().compile_preflight is None


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        (3, TypeError, "must be a topology such as 'v5e:2x2', a list of them"),
        ([], ValueError, "must be a tuple of names"),
        ([3], ValueError, "must be a tuple of names"),
    ],
)
def test_what_it_is_not(given, error, match):
    with pytest.raises(error, match=match):
        RunConfig(compile_preflight=given)


def test_a_time_limit_is_positive():
    with pytest.raises(ValueError, match="`timeout_secs` must be positive; got 0"):
        CompilePreflight(topologies=("v5e:2x2",), timeout_secs=0)
