"""Tests of custom properties."""

import numpy as np
import pytest
from helpers.artifacts import make_artifact
from tfx.types import standard_artifacts

from tfx_tpu_estimator.components import properties


@pytest.fixture
def artifact(tmp_path):
    return make_artifact(standard_artifacts.Model, tmp_path)


@pytest.mark.parametrize(
    ("value", "kind", "stored"),
    [
        (3, "int_value", 3),
        (True, "int_value", 1),
        (np.int64(4), "int_value", 4),
        (0.5, "double_value", 0.5),
        (np.float32(0.25), "double_value", 0.25),
        (float("nan"), "string_value", "nan"),
        (float("-inf"), "string_value", "-inf"),
        ("text", "string_value", "text"),
    ],
)
def test_the_type_fits_the_value(artifact, value, kind, stored):
    properties.set_custom_property(artifact, "key", value)
    written = artifact.mlmd_artifact.custom_properties["key"]
    assert written.WhichOneof("value") == kind
    assert getattr(written, kind) == stored


def test_none_sets_nothing(artifact):
    properties.set_custom_properties(artifact, {"a": None, "b": 1})
    assert not artifact.has_custom_property("a")
    assert artifact.has_custom_property("b")


def test_metrics_are_floats_without_the_step(artifact):
    metrics = {"count": np.int64(3), "auc": 0.5, "global_step": 7, "curve": np.zeros(3)}
    properties.set_metrics(artifact, metrics)
    properties.set_metrics(artifact, {"auc": 0.25}, prefix="test/")
    written = artifact.mlmd_artifact.custom_properties
    assert sorted(written) == ["metric/auc", "metric/count", "metric/test/auc"]
    assert written["metric/count"].double_value == 3.0


@pytest.mark.parametrize(
    ("setter", "value", "expected"),
    [
        ("set_int_custom_property", 3, 3),
        ("set_float_custom_property", 3.0, 3),
        ("set_string_custom_property", "3", 3),
        ("set_string_custom_property", "projects/p/artifacts/x", None),
        ("set_json_value_custom_property", 3.0, 3),
    ],
)
def test_integers_are_read_however_a_runner_stored_them(artifact, setter, value, expected):
    getattr(artifact, setter)("key", value)
    assert properties.read_int(artifact, "key") == expected


def test_an_absent_integer(artifact):
    assert properties.read_int(artifact, "key") is None


def test_tag_sets_as_text():
    assert properties.join_tag_sets([("serve",), ("serve", "tpu")]) == "serve;serve,tpu"
