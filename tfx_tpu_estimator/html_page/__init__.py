"""Reports as one HTML file: elements that escape what they are given, parts, the page around them.

A page needs no network and no script, follows the reader's light or dark mode and can be printed.
"""

from tfx_tpu_estimator.html_page.elements import Child, Markup, element, join
from tfx_tpu_estimator.html_page.page import render_page
from tfx_tpu_estimator.html_page.parts import (
    Column,
    Tone,
    badge,
    callout,
    card,
    disclosure,
    facts,
    legend,
    origin,
    prose,
    section,
    stacked_bar,
    table,
    verdict,
)

__all__ = [
    "Child",
    "Column",
    "Markup",
    "Tone",
    "badge",
    "callout",
    "card",
    "disclosure",
    "element",
    "facts",
    "join",
    "legend",
    "origin",
    "prose",
    "render_page",
    "section",
    "stacked_bar",
    "table",
    "verdict",
]
