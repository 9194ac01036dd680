"""Line charts as inline SVG, in the colours of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tfx_tpu_estimator.html_page import Markup, element, legend

# Of the drawing: the plot's square and room for its labels.
_SIZE, _LEFT, _BOTTOM, _TOP, _RIGHT = 240, 42, 38, 12, 12
# One for each colour of the page that can be told apart.
MOST_LINES = 4
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)

STYLE = """
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: 1.5rem; }
.chart { width: 100%; height: auto; max-width: 24rem; display: block; }
.chart text { fill: var(--soft); font-size: 11px; }
.chart .grid { stroke: var(--line); stroke-width: 1; }
.chart .guide { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 3 4; }
.chart .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.chart .line1 { stroke: var(--fill1); } .chart .line2 { stroke: var(--fill2); }
.chart .dot1 { fill: var(--fill1); } .chart .dot2 { fill: var(--fill2); }
.chart .line3 { stroke: var(--fill3); } .chart .line4 { stroke: var(--fill4); }
.chart .dot3 { fill: var(--fill3); } .chart .dot4 { fill: var(--fill4); }
.chart .line2 { stroke-dasharray: 7 4; } .chart .line3 { stroke-dasharray: 2 3; }
.chart .line4 { stroke-dasharray: 9 3 2 3; }
"""


def draw_chart(
    title: str,
    lines: Mapping[str, np.ndarray],
    *,
    axes: tuple[str, str],
    guide: tuple[tuple[float, float], tuple[float, float]] | None,
    about: str,
    dots: bool = False,
) -> Markup:
    """Draws curves in the unit square.

    Args:
        title: Stands below.
        lines: [n, 2 or more] points by name, at most MOST_LINES; of a third column the size of dots
            is made.
        axes: Names of both axes.
        guide: Ends of a line to compare with, or None.
        about: What the chart says, for readers who do not see it.
        dots: Whether each point is marked.
    """
    content: list[Markup] = [*_draw_grid(axes)]
    if guide is not None:
        content.append(_draw_line([*guide], "guide"))
    for number, points in enumerate(lines.values(), start=1):
        content.append(_draw_line(points[:, :2].tolist(), f"line line{number}"))
        if dots:
            content += _draw_dots(points, number)
    width, height = _LEFT + _SIZE + _RIGHT, _TOP + _SIZE + _BOTTOM
    svg = element(
        "svg",
        content,
        class_="chart",
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=about,
    )
    names = legend([(n, name, None) for n, name in enumerate(lines, 1)]) if len(lines) > 1 else None
    return element("figure", svg, element("figcaption", title), names)


def _place(x: float, y: float) -> tuple[float, float]:
    return round(_LEFT + min(max(x, 0), 1) * _SIZE, 2), round(
        _TOP + (1 - min(max(y, 0), 1)) * _SIZE, 2
    )


def _draw_line(points: Sequence[Sequence[float]], kind: str) -> Markup:
    path = " ".join(f"{x},{y}" for x, y in (_place(*point[:2]) for point in points))
    return element("polyline", points=path, class_=kind, fill="none")


def _draw_dots(points: np.ndarray, number: int) -> list[Markup]:
    most = points[:, 2].max() if points.shape[1] > 2 else 1.0
    drawn = []
    for point in points.tolist():
        x, y = _place(*point[:2])
        radius = 2 + 4 * (point[2] / most) ** 0.5 if len(point) > 2 else 3
        words = f"prediction {point[0]:.3f}, label {point[1]:.3f}"
        if len(point) > 2:
            words += f", weight {point[2]:,.0f}"
        circle = element(
            "circle", element("title", words), cx=x, cy=y, r=round(radius, 1), class_=f"dot{number}"
        )
        drawn.append(circle)
    return drawn


def _draw_grid(axes: tuple[str, str]) -> list[Markup]:
    drawn = []
    for tick in _TICKS:
        x, y = _place(tick, tick)
        left, bottom = _place(0, 0)
        right, top = _place(1, 1)
        drawn.append(element("line", x1=left, x2=right, y1=y, y2=y, class_="grid"))
        drawn.append(element("line", x1=x, x2=x, y1=bottom, y2=top, class_="grid"))
        words = f"{tick:g}"
        drawn.append(element("text", words, x=left - 6, y=y + 4, text_anchor="end"))
        drawn.append(element("text", words, x=x, y=bottom + 15, text_anchor="middle"))
    middle = _LEFT + _SIZE / 2
    drawn.append(element("text", axes[0], x=middle, y=_TOP + _SIZE + 32, text_anchor="middle"))
    height = _TOP + _SIZE / 2
    turned = f"rotate(-90 12 {height})"
    drawn.append(element("text", axes[1], x=12, y=height, text_anchor="middle", transform=turned))
    return drawn
