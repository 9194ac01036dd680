"""What `predict` writes: JSON of numpy's types."""

import json

import numpy as np
import pytest

from tfx_tpu_estimator.module_program.plain_values import to_plain


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float32(0.1), "0.1"),
        (np.float64(0.1), "0.1"),
        (np.float16(0.1), "0.1"),
        (np.array([[1, 2]], np.int64), "[[1, 2]]"),
        (np.array([True, False]), "[true, false]"),
        (np.array([], np.float32), "[]"),
        (np.array(3, np.uint8), "3"),
        (np.array([b"na\xc3\xafve", b"\xff"], object), '["naïve", {"b64": "/w=="}]'),
        (np.array([np.nan, np.inf, -np.inf], np.float32), '["NaN", "Infinity", "-Infinity"]'),
        (np.complex64(1 + 2j), "[1.0, 2.0]"),
        ({"a": None, "b": "text"}, '{"a": null, "b": "text"}'),
    ],
)
def test_json_of_values(value, text):
    assert json.dumps(to_plain(value), ensure_ascii=False) == text


def test_floats_come_back_as_they_were():
    values = np.random.RandomState(0).randn(200).astype(np.float32)
    assert (np.array(json.loads(json.dumps(to_plain(values))), np.float32) == values).all()


def test_what_json_has_no_form_for_is_named():
    with pytest.raises(TypeError, match="object cannot be written as JSON"):
        to_plain(object())
