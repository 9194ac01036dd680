"""The page of a compile report: everything is on it, nothing a user named becomes markup."""

import dataclasses
import html.parser
import itertools
import re

import pytest
from helpers.compile_reports import (
    V5E,
    V5E_4,
    WORD_TABLE,
    make_mixed_report,
    make_program,
    make_report,
    make_unfit,
)

from tfx_tpu_estimator.compile_check import report as reports
from tfx_tpu_estimator.compile_check.html import render_html
from tfx_tpu_estimator.compile_check.report import Chip, Collective
from tfx_tpu_estimator.compile_check.roofline_plot import HEIGHT, WIDTH, render_roofline

EVIL = "<script>alert(1)</script><img src=x onerror=y> & '\""


class Page(html.parser.HTMLParser):
    """Text, tags and ids of a page."""

    def __init__(self, page):
        super().__init__()
        self.words, self.tags, self.ids, self.links = [], [], set(), set()
        self._in_style = False
        self.feed(page)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attrs):
        self._in_style = tag == "style"
        self.tags.append(tag)
        found = dict(attrs)
        self.ids |= {found["id"]} if "id" in found else set()
        self.links |= {found["href"]} if "href" in found else set()
        assert not [name for name in found if name.startswith("on") or name == "src"]

    def handle_endtag(self, tag):
        self._in_style = False

    def handle_data(self, data):
        if not self._in_style:
            self.words.append(data)


def test_everything_of_the_report_is_on_the_page():
    page = Page(render_html(make_report(), "tfx-tpu-estimator compile bert.py"))
    for text in (
        "bert_base", "All 4 programs compile for v5e:2x2 and fit.", "not run on a TPU",
        "1.87 GiB of 15.75 GiB per core (12%)", "15.75 GiB for programs, of 16.00 GiB",
        "1,260 MiB", "633 MiB", "21 MiB",
        "710 GFLOP", "24.0 GB", "29.6 FLOP/B", "29.3 ms", "bound by memory", "112",
        "all-reduce", "418", "f32[30522,768]", "bert/embeddings/word_embeddings", "fusion.77",
        "102 s, 3.22 GiB of memory", "from the cache", "3f5a9c0b", "libtpu 0.0.21",
        "197 TFLOP/s", "819 GB/s", "published figures", "0.4.34", "2026-11-21 12:00 UTC",
        "tfx-tpu-estimator compile bert.py", "does not say", "not measurements",
    ):  # fmt: skip
        assert text in page.text, text
    assert page.tags.count("article") == 5  # the chip and four programs
    assert page.tags.count("svg") > 1


def test_problems_stand_on_top_and_lead_to_their_program():
    page = Page(render_html(make_mixed_report()))
    assert "4 of 8 programs do not pass on v5e:2x2; all pass on v4:2x2x1." in page.text
    assert "Op 'StringSplit' cannot run on a TPU" in page.text
    assert "20.31 GiB of 15.75 GiB per core (129%)" in page.text
    assert {link[1:] for link in page.links} <= page.ids
    assert "#v5e-2x2-train" in page.links


def test_nothing_users_name_becomes_markup():
    buffer = dataclasses.replace(WORD_TABLE, name=EVIL, op=EVIL, dtype=EVIL)
    program = make_program(
        program=EVIL,
        topology=dataclasses.replace(V5E_4, name=EVIL),
        status="failed",
        message=f"{EVIL}\n{EVIL}",
        largest=(buffer,) * 7,
        collectives=(Collective(kind=EVIL, count=1, bytes=1),),
        compiler=EVIL,
        bound=EVIL,
        program_hash=EVIL,
    )
    report = make_report(program, model=EVIL, versions={EVIL: EVIL}, notes=(EVIL,), created=EVIL)
    page = Page(render_html(report, EVIL))
    assert not {"script", "img", "iframe", "link"} & set(page.tags)
    assert EVIL in page.text


@pytest.mark.parametrize("status", reports.STATUSES)
def test_every_status_without_any_figure(status):
    page = Page(render_html(make_report(make_unfit("train", status, "Why.\nWhere."))))
    assert "Where." in page.text or status == "fits"


def test_an_empty_report():
    assert "No program was compiled." in Page(render_html(make_report(programs=()))).text


@pytest.mark.parametrize("intensity", [1e-3, 0.5, 240.5, 3e4])
def test_dots_stay_within_the_plot(intensity):
    programs = [
        make_program(name, flops=intensity * 1e9, bytes_accessed=1e9) for name in reports.PROGRAMS
    ]
    plot = render_roofline(V5E, programs)
    places = re.findall(r'circle cx="([\d.-]+)" cy="([\d.-]+)"', plot)
    assert len(places) == 4
    assert all(0 < float(x) < WIDTH and 0 < float(y) < HEIGHT for x, y in places)


@pytest.mark.parametrize("intensity", [1e-3, 30, 3e4])
def test_names_in_the_plot_do_not_cover_each_other(intensity):
    programs = [
        make_program(name, flops=intensity * 1e9, bytes_accessed=1e9) for name in reports.PROGRAMS
    ]
    plot = render_roofline(V5E, programs)
    heights = sorted(float(y) for y in re.findall(r'y="([\d.]+)" class="program"', plot))
    assert len(heights) == 4
    assert heights[0] > 10
    assert heights[-1] < HEIGHT - 40
    assert all(low + 15 < high for low, high in itertools.pairwise(heights))


@pytest.mark.parametrize(
    "intensities", [(30, 30, 30, 30), (34.9, 73.1, 68.3, 68.3), (3e4,) * 4, (1e-3,) * 4]
)
def test_no_line_in_the_plot_crosses_a_name(intensities):
    programs = [
        make_program(name, flops=i * 1e9, bytes_accessed=1e9)
        for name, i in zip(reports.PROGRAMS, intensities, strict=True)
    ]
    plot = render_roofline(V5E, programs)
    lines = re.findall(
        r'x1="([\d.]+)" y1="([\d.]+)" x2="[\d.]+" y2="([\d.]+)" class="leader"', plot
    )
    found = r'x="([\d.]+)" y="([\d.]+)" class="program" text-anchor="(\w+)"'
    names = re.findall(found, plot)
    assert len(lines) == len(names) == 4
    for x, start, end in lines:
        for left, y, anchor in names:
            begin = float(left) - (60 if anchor == "end" else 0)
            crosses = begin < float(x) < begin + 60
            low, high = sorted((float(start), float(end)))
            assert not (crosses and low < float(y) - 5 < high)


def test_no_plot_without_figures():
    chip = Chip(name="x", hbm_bytes=1, peak_flops=1.0, hbm_bytes_per_second=1.0, cores_per_chip=1,
                source="")  # fmt: skip
    unknown = make_unfit("train", "crashed", "")
    assert render_roofline(chip, [unknown]) is None
    assert render_roofline(chip, [make_program(flops=0.0, bytes_accessed=0.0)]) is None
