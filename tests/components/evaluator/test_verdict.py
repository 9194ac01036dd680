"""Tests of the verdict and of its words."""

import os

import pytest
from google.protobuf import text_format
from helpers.artifacts import make_artifact
from tensorflow_model_analysis.proto import validation_result_pb2
from tfx.types import standard_artifacts

from tfx_tpu_estimator.components.blessing import Verdict
from tfx_tpu_estimator.components.evaluator.verdict import decide, write_blessing

FAILURE = """
failures {
  metric_key { name: "auc" }
  metric_value { double_value { value: 0.25 } }
  metric_threshold { %s }
}
"""


def parse(text):
    return text_format.Parse(text, validation_result_pb2.ValidationResult())


def reason(text):
    verdict = decide({}, parse(text), bless_without_thresholds=True)
    assert not verdict.blessed
    return verdict.reason


@pytest.mark.parametrize(
    ("threshold", "words"),
    [
        ("value_threshold { lower_bound { value: 0.5 } }", "needed >= 0.5"),
        (
            "value_threshold { lower_bound { value: 0.5 } upper_bound { value: 0.75 } }",
            "needed >= 0.5 and <= 0.75",
        ),
        (
            "change_threshold { direction: HIGHER_IS_BETTER absolute { value: 0.01 } }",
            "needed a change >= 0.01 against the baseline",
        ),
        (
            "change_threshold { direction: LOWER_IS_BETTER relative { value: -0.1 } }",
            "needed a relative change <= -0.1 against the baseline",
        ),
    ],
)
def test_bounds(threshold, words):
    text = "metric_validations_per_slice { slice_key {} %s }" % (FAILURE % threshold)
    assert reason(text) == f"auc on all examples is 0.25, {words}"


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ('slice_key { single_slice_keys { column: "k" bytes_value: "left" } }', "k=left"),
        (
            'slice_key { single_slice_keys { column: "k" int64_value: 3 }'
            ' single_slice_keys { column: "j" float_value: 0.5 } }',
            "k=3, j=0.5",
        ),
        (
            "cross_slice_key { baseline_slice_key {} comparison_slice_key {"
            ' single_slice_keys { column: "k" int64_value: 3 } } }',
            "all examples against k=3",
        ),
    ],
)
def test_slices(key, words):
    failure = FAILURE % "value_threshold { lower_bound { value: 0.5 } }"
    assert f"auc on {words} is 0.25" in reason(
        "metric_validations_per_slice { " + key + failure + "}"
    )


def test_a_metric_that_was_not_computed():
    text = (
        "metric_validations_per_slice { slice_key {} failures { metric_key { name: 'auc' }"
        " metric_threshold { value_threshold { lower_bound { value: 0.5 } } } } }"
    )
    assert reason(text) == "auc on all examples was not computed"


def test_a_slice_without_examples():
    text = 'missing_slices { feature_keys: "kind" }'
    assert reason(text) == ('a slice with a threshold has no examples: feature_keys: "kind"')


def test_a_value_just_beside_its_bound():
    failure = FAILURE % "value_threshold { lower_bound { value: 0.5 } }"
    failure = failure.replace("0.25", "0.49999999")
    words = reason(f"metric_validations_per_slice {{ slice_key {{}} {failure} }}")
    assert words == "auc on all examples is 0.49999999, needed >= 0.5"


def test_many_failures_are_counted():
    failure = FAILURE % "value_threshold { lower_bound { value: 0.5 } }"
    words = reason("metric_validations_per_slice { slice_key {} %s }" % (failure * 23))
    assert words.endswith("; and 3 more")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_not_finite_never_blesses(value):
    metrics = {"eval": {"auc": 0.5, "loss": value}}
    for validation in (None, parse("validation_ok: true")):
        verdict = decide(metrics, validation, bless_without_thresholds=True)
        assert verdict == Verdict(
            blessed=False, reason=f"metrics are not finite: loss on split eval is {value}"
        )


def test_what_the_standard_executor_wrote_is_replaced(tmp_path):
    blessing = make_artifact(standard_artifacts.ModelBlessing, tmp_path / "b", blessed=1)
    (tmp_path / "b" / "BLESSED").write_text("")
    model = make_artifact(standard_artifacts.Model, tmp_path / "m")
    write_blessing(blessing, Verdict(blessed=False, reason="why"), model, None)
    assert os.listdir(blessing.uri) == ["NOT_BLESSED"]
    assert blessing.get_int_custom_property("blessed") == 0
    assert blessing.get_string_custom_property("reason") == "why"
    assert not blessing.has_custom_property("baseline_model")
