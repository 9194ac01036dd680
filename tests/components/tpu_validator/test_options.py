"""Tests of TPUValidatorOptions."""

import copy
import json
import pickle

import pytest

from tfx_tpu_estimator.components.tpu_validator.options import TPUValidatorOptions
from tfx_tpu_estimator.skew_check.tolerance import Tolerance


def make(**changes):
    return TPUValidatorOptions(**{"topology": "v5e:2x2", **changes})


def test_defaults():
    options = make()
    assert options.programs == ("serving",)
    assert options.split == "eval"
    assert options.missing_compiler == "refuse"
    assert options.tolerances == {}


def test_a_topology_has_one_name():
    assert make(topology="Trillium:2x2") == make(topology="v6e:2x2")


def test_json_round_trip():
    options = make(
        programs=["eval", "train"],
        tolerances={"float32": Tolerance(absolute=1e-3)},
        num_examples=7,
    )
    assert options.programs == ("train", "eval")
    text = options.to_json()
    assert TPUValidatorOptions.from_json(text) == options
    assert json.loads(text)["tolerances"]["float32"]["absolute"] == 1e-3
    assert TPUValidatorOptions.from_json(text).to_json() == text
    assert copy.deepcopy(options) == options == pickle.loads(pickle.dumps(options))


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"topology": "v9:2x2"}, ValueError, "`topology` 'v9:2x2' is unknown.*known chips are v2"),
        ({"topology": 4}, TypeError, "`topology` must be a string such as 'v5e:2x2'"),
        ({"programs": "train"}, TypeError, "`programs` must be a tuple of names, got 'train'"),
        ({"programs": ()}, ValueError, "`programs` is empty; .*`compile_check=False`"),
        ({"programs": ("trian",)}, ValueError, "got 'trian'. Did you mean 'train'"),
        ({"missing_compiler": "ignore"}, ValueError, "must be one of refuse, skip; got 'ignore'"),
        ({"num_examples": 0}, ValueError, "`num_examples` must be positive, got 0"),
        ({"batch_size": 1.5}, TypeError, "`batch_size` must be int"),
        ({"timeout_seconds": 0}, ValueError, "`timeout_seconds` must be positive, got 0"),
        ({"timeout_seconds": "9"}, TypeError, "`timeout_seconds` must be a number, got '9'"),
        ({"compile_check": 1}, TypeError, "`compile_check` must be bool"),
        ({"cache_dir": 1}, TypeError, "`cache_dir` must be str"),
        ({"tolerances": 1e-3}, TypeError, "`tolerances` must be a dict"),
        ({"tolerances": {"float32": 1}}, TypeError, r"`tolerances\['float32'\]` must be Tolerance"),
        ({"topolgy": "v5e"}, TypeError, "`topolgy` is not a TPUValidatorOptions .* `topology`"),
    ],
)
def test_wrong_values(changes, error, match):
    with pytest.raises(error, match=match):
        make(**changes)


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        ("[]", ValueError, "must be a JSON object"),
        ("{}", ValueError, "lacks `topology`"),
        ('{"topology": "v5e:2x2", "tolerance": 1}', ValueError, "Did you mean `tolerances`"),
        (
            '{"topology": "v5e:2x2", "tolerances": {"x": {"abs": 1}}}',
            TypeError,
            "not a Tolerance field",
        ),
    ],
)
def test_wrong_json(text, error, match):
    with pytest.raises(error, match=match):
        TPUValidatorOptions.from_json(text)
