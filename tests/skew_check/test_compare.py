"""Differences between arrays, and what is reported of them."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tfx_tpu_estimator.skew_check.compare import OutputComparison
from tfx_tpu_estimator.skew_check.example_rows import Row
from tfx_tpu_estimator.skew_check.report import SignatureReport, SkewReport
from tfx_tpu_estimator.skew_check.tolerance import EXACT, Tolerance, choose_tolerance

NAN, INF = math.nan, math.inf
LOOSE = Tolerance(absolute=0.5)


def compare(serve, tpu, tolerance=LOOSE, *, rows=None, padding=0, dtypes=None):
    serve, tpu = np.asarray(serve), np.asarray(tpu)
    kinds = dtypes or [
        tf.as_dtype(a.dtype) if a.dtype != object else tf.string for a in (serve, tpu)
    ]
    output = OutputComparison("y", *kinds, tolerance)
    count = rows if rows is not None else len(serve) - padding
    output.add(serve, tpu, [Row(i, b"", "part", 10 + i) for i in range(count)], padding)
    return output.report()


def test_numbers_within_the_tolerance_pass():
    report = compare([1.0, 2.0, 4.0], [1.25, 2.0, 4.0])
    assert report.passed
    assert (report.max_absolute, report.max_relative) == (0.25, 0.25)
    assert [(w.index, w.serve, w.tpu) for w in report.worst] == [(0, 1.0, 1.25)]


def test_the_worst_come_first_one_of_each_example():
    serve = np.zeros([5, 2], np.float32)
    tpu = np.array([[0, 1], [9, 8], [0, 0], [3, 0], [0, 2]], np.float32)
    report = compare(serve, tpu)
    assert report.beyond == 5
    assert [(w.index, w.record, w.position) for w in report.worst] == [
        (1, 11, (0,)), (3, 13, (0,)), (4, 14, (1,)),
    ]  # fmt: skip
    assert report.worst[0].relative == INF


def test_padding_does_not_count():
    report = compare([1.0, 2.0, 2.0], [1.0, 2.0, 9.0], padding=1)
    assert report.passed
    assert report.values == 2


@pytest.mark.parametrize(
    ("serve", "tpu", "beyond", "nan_in_both"),
    [
        (NAN, NAN, 0, 1),
        (NAN, 1.0, 1, 0),
        (1.0, NAN, 1, 0),
        (INF, INF, 0, 0),
        (INF, -INF, 1, 0),
        (INF, 1e300, 1, 0),
        (1.0, -INF, 1, 0),
    ],
)
def test_nan_and_infinity(serve, tpu, beyond, nan_in_both):
    report = compare([0.0, serve], [0.0, tpu], Tolerance(absolute=1e6, relative=1.0, of_largest=1))
    assert (report.beyond, report.nan_in_both) == (beyond, nan_in_both)
    assert report.max_absolute == (INF if beyond else 0.0)


def test_infinity_in_a_report_survives_json():
    output = compare([0.0, NAN], [0.0, 1.0])
    signature = SignatureReport(name="s", outputs=(output,))
    report = SkewReport(
        saved_model="m", examples=2, batch_size=2, device="cpu", signatures=(signature,)
    )
    text = report.to_json()
    assert "NaN" not in text
    read = SkewReport.from_json(text)
    assert repr(read) == repr(report)
    assert math.isnan(read.signatures[0].outputs[0].worst[0].serve)


def test_integers_are_exact_even_beside_2_to_the_53():
    report = compare([2**60, 5], [2**60 + 1, 5], EXACT)
    assert report.beyond == 1
    assert report.max_absolute == 1.0
    assert (report.worst[0].serve, report.worst[0].tpu) == (2**60, 2**60 + 1)


def test_bools_and_strings_are_exact():
    assert compare([True, False], [True, True], EXACT).beyond == 1
    texts = np.array([b"a", b"\xff"], object), np.array([b"a", b"b"], object)
    report = compare(*texts, EXACT)
    assert (report.beyond, report.max_absolute) == (1, None)
    assert report.worst[0].serve == "\\xff"


def test_bfloat16_is_compared_as_numbers():
    report = compare(
        np.array([1.0, 2.0], tf.bfloat16.as_numpy_dtype),
        np.array([1.0, 2.125], tf.bfloat16.as_numpy_dtype),
    )
    assert report.max_absolute == 0.125


def test_a_scalar_of_the_batch_is_compared_once():
    report = compare(np.float32(1), np.float32(3), rows=4)
    assert (report.values, report.beyond, report.worst[0].position) == (1, 1, ())


def test_other_shapes_and_types_are_problems():
    report = compare(np.zeros([2, 3]), np.zeros([2, 4]))
    assert report.problems == (
        "has shape [2, 3] in {serve} and [2, 4] in {serve, tpu}, for 2 examples.",
    )
    report = compare(np.zeros([2], np.int64), np.zeros([2], np.float32))
    assert report.problems == ("is int64 in {serve} and float32 in {serve, tpu}.",)
    assert not report.passed


def test_the_largest_value_counts_where_others_cancelled():
    tolerance = Tolerance(of_largest=1e-3)
    assert compare([1000.0, 0.0], [1000.0, 0.9], tolerance).passed
    assert not compare([1.0, 0.0], [1.0, 0.9], tolerance).passed


def test_the_narrowest_tolerance_is_taken():
    loose, looser = Tolerance(absolute=1.0), Tolerance(absolute=2.0)
    given = {"float32": loose, "s/y": looser, "bfloat16": EXACT}
    assert choose_tolerance(given, "s", "y", "float32", False) is looser
    assert choose_tolerance(given, "t", "y", "float32", False) is loose
    assert choose_tolerance(given, "t", "y", "float32", True) is EXACT
    assert choose_tolerance(given, "t", "y", "int64", True) is EXACT
    assert choose_tolerance({}, "t", "y", "string", False).is_exact


@pytest.mark.parametrize("value", [-1, NAN, "1", True])
def test_a_tolerance_is_a_number_of_at_least_0(value):
    with pytest.raises(ValueError, match="`relative` must be a number >= 0"):
        Tolerance(relative=value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is no JSON"), ("[]", "of version 1"), ('{"version": 1}', "no whole skew report")],
)
def test_what_is_no_report_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        SkewReport.from_json(text)
