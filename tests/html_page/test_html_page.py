"""HTML reports: what users name things is escaped, pages stand alone."""

import html.parser

import pytest

from tfx_tpu_estimator import html_page
from tfx_tpu_estimator.html_page import Column, Markup, element, join

EVIL = "<script>alert('x')</script> & \"more\""


class Reader(html.parser.HTMLParser):
    """Collects tags, attributes and text, and checks that tags are closed in order."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text, self._open = [], [], [], []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in {"meta", "br", "hr", "img", "wbr"}:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open[-1:] != ["style"]:
            self.text.append(data)


@pytest.mark.parametrize(
    "part",
    [
        element("p", EVIL),
        html_page.badge("good", EVIL),
        html_page.verdict("bad", EVIL, EVIL),
        html_page.callout("warn", EVIL),
        html_page.section(EVIL, EVIL),
        html_page.card(EVIL, EVIL, aside=EVIL),
        html_page.facts([(EVIL, EVIL)]),
        html_page.table([Column(title=EVIL)], [[EVIL]], caption=EVIL),
        html_page.disclosure(EVIL, EVIL),
        html_page.origin(EVIL, EVIL, EVIL),
        html_page.legend([(1, EVIL, EVIL)]),
        html_page.stacked_bar([(1, 2, EVIL)], 4, label=EVIL, limit=3, limit_label=EVIL),
    ],
)
def test_parts_escape_what_they_are_given(part):
    assert isinstance(part, Markup)
    reader = Reader(part)
    assert "script" not in reader.tags
    shown = " ".join([*reader.text, *(value or "" for _, value in reader.attributes)])
    assert EVIL in shown


def test_a_page_stands_alone():
    page = html_page.render_page(EVIL, element("p", EVIL), kind="Evaluation", subtitle=EVIL)
    reader = Reader(page)
    assert page.startswith("<!doctype html>\n<html")
    assert not {"script", "link", "img", "iframe"} & set(reader.tags)
    assert not [name for name, _ in reader.attributes if name in ("src", "srcset", "onload")]
    assert "url(" not in page
    assert "@import" not in page
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (join(None, ["a", ("<", 1)], 2.5), "a&lt;12.5"),
        (join("red \x1b[31m"), "red \N{REPLACEMENT CHARACTER}[31m"),
        (element("a", class_="x y", aria_label='"', hidden=True, id=None),
         '<a class="x y" aria-label="&quot;" hidden></a>'),
        (element("br"), "<br>"),
    ],
)  # fmt: skip
def test_elements(made, expected):
    assert made == expected


def test_a_table_with_too_few_cells_is_an_error():
    with pytest.raises(ValueError, match="shorter"):
        html_page.table([Column(title="a"), Column(title="b")], [["1"]])


@pytest.mark.parametrize(
    ("size", "total", "width"), [(1, 4, "25.000%"), (9, 4, "100.000%"), (1, 0, "0%")]
)
def test_bars_stay_in_their_place(size, total, width):
    assert f"width:{width}" in html_page.stacked_bar([(1, size, "")], total, label="x")
