"""Tests of EvaluatorOptions."""

import pytest

from tfx_tpu_estimator.components.evaluator.options import EvaluatorOptions


def test_there_and_back():
    options = EvaluatorOptions(engine="tfma", batch_size=7, skew_check=True, force_blessing="ok")
    assert EvaluatorOptions.from_json(options.to_json()) == options
    for workers in (3, "beam"):
        options = EvaluatorOptions(workers=workers)
        assert EvaluatorOptions.from_json(options.to_json()) == options
    assert EvaluatorOptions.from_json(None) == EvaluatorOptions()


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ({"engin": "tfma"}, TypeError, "Did you mean `engine`"),
        ({"engine": "tfm"}, ValueError, "`engine` must be one of runtime, tfma.*'tfma'"),
        ({"workers": 0}, ValueError, "`workers` must be positive, got 0"),
        ({"workers": True}, TypeError, "`workers` must be int, got True"),
        ({"workers": "bean"}, ValueError, "`workers` must be a positive number or 'beam'"),
        ({"workers": 2, "engine": "tfma"}, ValueError, "only 'runtime' has workers of its own"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be positive, got 0"),
        ({"skew_check": 1}, TypeError, "`skew_check` must be bool, got 1"),
        ({"force_blessing": " "}, ValueError, "`force_blessing` is empty; say why"),
    ],
)
def test_wrong(given, error, match):
    with pytest.raises(error, match=match):
        EvaluatorOptions(**given)
