"""The parts reports are made of: verdicts, badges, tables, facts, bars."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Literal

from tfx_tpu_estimator.html_page.elements import Child, Markup, element, join

Tone = Literal["good", "bad", "warn", "neutral"]

# What a colour says is said by the shape, too.
_ICONS = {
    "good": "M5 12.5l4.5 4.5L19 7.5",
    "bad": "M7 7l10 10M17 7L7 17",
    "warn": "M12 6v7.5M12 17.4v.2",
    "neutral": "M12 11v6.5M12 6.8v.2",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table.

    Attributes:
        title: Its heading.
        numeric: Whether it holds numbers, which stand at its right edge.
        code: Whether it holds names from programs.
        wide: Whether its text may be broken anywhere.
    """

    title: str
    numeric: bool = False
    code: bool = False
    wide: bool = False

    @property
    def classes(self) -> str | None:
        """The CSS classes of its cells."""
        names = [n for n in ("numeric", "code", "wide") if getattr(self, n)]
        return " ".join(names) or None


def icon(tone: Tone) -> Markup:
    """Returns a tick, a cross, an exclamation mark or an i, in a disc."""
    return element(
        "svg",
        element("circle", cx=12, cy=12, r=12),
        element("path", d=_ICONS[tone]),
        class_=f"icon {tone}",
        viewBox="0 0 24 24",
        aria_hidden="true",
    )


def badge(tone: Tone, text: str) -> Markup:
    """Returns a word or two with an icon, such as "fits"."""
    return element("span", icon(tone), text, class_=f"badge {tone}")


def verdict(tone: Tone, title: str, *children: Child) -> Markup:
    """Returns the box on top of a page that says what came out.

    Args:
        tone: Whether that is good.
        title: The verdict in one sentence.
        *children: More sentences.
    """
    words = element("div", element("p", title, class_="title"), *children)
    return element("div", icon(tone), words, class_=f"verdict {tone}", role="status")


def callout(tone: Tone, *children: Child) -> Markup:
    """Returns a message that stands out within a card."""
    return element("div", icon(tone), element("div", *children), class_=f"callout {tone}")


def prose(text: str) -> Markup:
    """Returns a message in which names stand between backticks, with these set as code.

    Example:
        >>> prose("give `timeout` > 5")
        'give <code>timeout</code> &gt; 5'
    """
    pieces = text.split("`")
    if len(pieces) % 2 == 0:  # a backtick that nothing closes
        return join(text)
    return join(element("code", piece) if n % 2 else piece for n, piece in enumerate(pieces))


def section(title: str, *children: Child, anchor: str | None = None) -> Markup:
    """Returns a part of the page below a heading."""
    return element("section", element("h2", title), *children, id=anchor)


def card(title: Child, *children: Child, aside: Child = None, anchor: str | None = None) -> Markup:
    """Returns a framed part of the page.

    Args:
        title: Its heading.
        *children: What it holds.
        aside: What stands at the other end of the heading's line, such as a badge.
        anchor: Its id, for links.
    """
    head = element("div", element("h3", title), aside, class_="cardhead")
    return element("article", head, *children, class_="card", id=anchor)


def facts(pairs: Iterable[tuple[str, Child]]) -> Markup:
    """Returns names with their values, in as many columns as there is room for."""
    return element(
        "dl",
        [element("div", element("dt", name), element("dd", value)) for name, value in pairs],
        class_="facts",
    )


def table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[Child]],
    caption: Child = None,
    layout: Literal["wide", "compact", "stacked"] = "wide",
) -> Markup:
    """Returns a table that scrolls sideways where the page is narrow.

    Args:
        columns: Its columns.
        rows: A cell for each column in each.
        caption: What it shows; stands above it.
        layout: `wide` as the page; `compact` as its cells; `stacked`: as wide as the page, and on
            a phone a row is a block of lines that begin with the column's title.
    """
    head = [element("th", c.title, class_=c.classes, scope="col") for c in columns]
    body = [
        element(
            "tr",
            [
                element("td", cell, class_=column.classes, data_title=column.title)
                for column, cell in zip(columns, row, strict=True)
            ],
        )
        for row in rows
    ]
    content = element(
        "table",
        element("caption", caption) if caption is not None else None,
        element("thead", element("tr", head)),
        element("tbody", body),
        class_=layout,
    )
    return element("div", content, class_="tablebox", tabindex=0)


def disclosure(title: str, *children: Child, open_: bool = False) -> Markup:
    """Returns what a reader can fold out; in print it is folded out."""
    return element("details", element("summary", title), *children, open=open_)


def origin(how: str, command: str, *limits: Child) -> Markup:
    """Returns the end of a report: how it was made, and what it does not say.

    Args:
        how: How it was made.
        command: The command line that made it; empty: none is shown.
        *limits: What it does not say, and what else is to be known.
    """
    return section(
        "How this was made, and what it does not say",
        element(
            "div",
            element("p", how),
            element("pre", element("code", command)) if command else None,
            element("h4", "What this report does not say"),
            *limits,
            class_="card origin",
        ),
    )


def legend(entries: Iterable[tuple[int, Child, Child]]) -> Markup:
    """Returns what the colours of a chart mean.

    Args:
        entries: Number of the colour from 1, its meaning, and its value or None.
    """
    return element(
        "ul",
        [
            element(
                "li",
                element("span", class_=f"swatch fill{number}"),
                element("span", name),
                element("b", value) if value is not None else None,
            )
            for number, name, value in entries
        ],
        class_="legend",
    )


def stacked_bar(
    parts: Iterable[tuple[int, float, str]],
    total: float,
    *,
    label: str,
    limit: float | None = None,
    limit_label: Child = None,
    thin: bool = False,
) -> Markup:
    """Returns a horizontal bar of several parts, with a mark at a limit and what is above striped.

    Args:
        parts: Number of the colour from 1, size, and what is shown when the pointer rests on it.
        total: The size that is as long as the bar's place.
        label: What the bar says, for readers who do not see it.
        limit: Where to draw the mark.
        limit_label: What stands beside the mark.
        thin: As for a row of a table.
    """
    pieces = [
        element("span", class_=f"fill{n}", style=f"width:{_percent(size, total)}", title=title)
        for n, size, title in parts
        if size > 0
    ]
    bar = element("span", pieces, class_="pieces")
    marks = [] if limit is None else _mark_limit(limit, total, limit_label)
    return element(
        "div", bar, marks, class_="bar thin" if thin else "bar", role="img", aria_label=label
    )


def _mark_limit(limit: float, total: float, label: Child) -> list[Markup]:
    over = element("span", class_="over", style=f"left:{_percent(limit, total)}")
    words = element("span", label) if label is not None else None
    # A label at the right half stands at the left of its mark, so that it is not cut off.
    classes = "limit end" if limit > total / 2 else "limit"
    mark = element("span", words, class_=classes, style=f"left:{_percent(limit, total)}")
    return [over, mark] if limit < total else [mark]


def _percent(size: float, total: float) -> str:
    return f"{100 * min(max(size / total, 0), 1):.3f}%" if total > 0 else "0%"
