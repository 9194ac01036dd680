"""The page of a skew report: everything is on it, nothing a user named becomes markup."""

import dataclasses
import re

import pytest

from tfx_tpu_estimator.skew_check.html import render_html
from tfx_tpu_estimator.skew_check.report import (
    OutputReport,
    ProgramReport,
    SignatureReport,
    SkewReport,
    WorstExample,
)
from tfx_tpu_estimator.skew_check.tolerance import EXACT, Tolerance

EVIL = "<script>alert(1)</script>"
WORST = WorstExample(
    index=1207, file="/data/part-3.gz", record=7, position=(2,), serve=0.25, tpu=0.75,
    absolute=0.5, relative=2.0,
)  # fmt: skip
SAME = OutputReport(
    name="class_ids", dtype="int64", tolerance=EXACT, values=2000, max_absolute=0.0,
    worst=(WorstExample(index=11, serve=1, tpu=1, absolute=0.0, relative=0.0),),
)  # fmt: skip
DIFFERS = OutputReport(
    name="probabilities", dtype="float32", tolerance=Tolerance(absolute=1e-6), values=4000,
    beyond=37, max_absolute=0.5, max_relative=float("inf"), worst=(WORST,),
)  # fmt: skip
PROGRAM = ProgramReport(
    name="TPUPartitionedCall/body/cluster", ops={"MatMul": 3, "Relu": 12}, inputs=("float32[8,4]",),
    variables=5, digest="0123456789abcdef" * 4, seconds=1.25,
)  # fmt: skip
REPORT = SkewReport(
    saved_model="/models/1700000000", examples=2000, batch_size=8, device="cpu",
    signatures=(SignatureReport(name="serving_default", outputs=(SAME,)),), programs=(PROGRAM,),
)  # fmt: skip


def make_report(*outputs, **fields):
    signature = SignatureReport(name="serving_default", outputs=outputs, **fields)
    return dataclasses.replace(REPORT, signatures=(signature,))


def read(page):
    """The text of a page, without its style."""
    text = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", re.sub(r"</?code>", "", text)))


def test_a_page_of_equal_graphs():
    page = render_html(REPORT, "tfx-tpu-estimator skew /models/1700000000")
    text = read(page)
    for words in (
        "Both graphs compute the same on 2,000 examples.", "/models/1700000000",
        "8 at a time", "programs ran on cpu", "class_ids", "int64", "exact", "equal",
        "TPUPartitionedCall/body/cluster", "15", "12 Relu, 3 MatMul", "float32[8,4]", "1.2 s",
        "0123456789abcdef", "tfx-tpu-estimator skew /models/1700000000",
    ):  # fmt: skip
        assert words in text
    assert "example 11" not in text  # there is no difference to show


def test_a_page_says_what_differs_and_where():
    page = render_html(make_report(SAME, DIFFERS))
    text = read(page)
    for words in (
        "The two graphs do not compute the same.", "37 of 4000 values differ", "inf", "1e-06",
        "example 1207 (record 7 of /data/part-3.gz)", "[2]", "0.25", "0.75", "differs", "equal",
    ):  # fmt: skip
        assert words in text
    assert "<details open>" in page


def test_a_program_that_cannot_be_built_is_no_difference():
    output = dataclasses.replace(DIFFERS, values=0, beyond=0, worst=())
    text = read(render_html(make_report(output, problems=("Op `a/b` of type X has no kernel.",))))
    assert "The check failed." in text
    assert "not run" in text
    assert text.count("Op a/b of type X has no kernel.") == 2


@pytest.mark.parametrize("field", ["problems", "notes"])
def test_names_and_messages_are_escaped(field):
    output = dataclasses.replace(DIFFERS, name=EVIL, problems=(EVIL,))
    report = dataclasses.replace(make_report(output, **{field: (EVIL,)}), saved_model=EVIL)
    page = render_html(report, EVIL)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 5


def test_a_report_of_nothing():
    empty = SkewReport(saved_model="/m", examples=0, batch_size=1, device="cpu", problems=("No.",))
    assert "No." in read(render_html(empty))
