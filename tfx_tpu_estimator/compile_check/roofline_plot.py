"""The roofline plot of a topology's chip, with a dot for each program, as SVG."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from tfx_tpu_estimator.compile_check.figures import format_digits, format_scaled
from tfx_tpu_estimator.compile_check.report import Chip, ProgramReport
from tfx_tpu_estimator.html_page import Markup, element

WIDTH, HEIGHT = 560, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 22, 26, 46
# Labels closer than this, in the plot's units, would cover each other.
_LABEL_HEIGHT, _LABEL_WIDTH = 19, 70
# From a dot to the nearest name.
_FIRST = 30


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Scale:
    """Where the powers of ten of both axes are.

    Attributes:
        x: Exponents at the left and at the right edge, of operations per byte.
        y: Exponents at the bottom and at the top, of operations per second.
    """

    x: tuple[int, int]
    y: tuple[int, int]

    def place_x(self, value: float) -> float:
        low, high = self.x
        share = (math.log10(value) - low) / (high - low)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def place_y(self, value: float) -> float:
        low, high = self.y
        share = (math.log10(value) - low) / (high - low)
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)


def render_roofline(chip: Chip, programs: Sequence[ProgramReport]) -> Markup | None:
    """Returns the plot, or None if no program has the figures for it.

    Args:
        chip: Whose roof is drawn: its peak operations, and its memory's rate times intensity.
        programs: Each stands on the roof, at its arithmetic intensity.
    """
    known = [p for p in programs if p.arithmetic_intensity and p.arithmetic_intensity > 0]
    if not known:
        return None
    known.sort(key=lambda p: p.arithmetic_intensity or 0)
    scale = _choose_scale(chip, [p.arithmetic_intensity or 1 for p in known])
    names = ", ".join(f"{p.program} {format_digits(p.arithmetic_intensity)}" for p in known)
    return element(
        "svg",
        _draw_grid(scale),
        _draw_roof(chip, scale),
        _draw_programs(chip, known, scale),
        class_="roofline",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=f"Roofline of {chip.name}; operations per byte: {names}.",
    )


def _attainable(chip: Chip, intensity: float) -> float:
    return min(chip.peak_flops, intensity * chip.hbm_bytes_per_second)


def _choose_scale(chip: Chip, intensities: Sequence[float]) -> _Scale:
    ridge = chip.peak_flops / chip.hbm_bytes_per_second
    low = math.floor(math.log10(min(*intensities, ridge / 10)))
    high = math.ceil(math.log10(max(*intensities, ridge * 4)))
    bottom = math.floor(math.log10(_attainable(chip, 10.0**low)))
    top = math.ceil(math.log10(chip.peak_flops * 1.15))
    return _Scale(x=(low, high), y=(bottom, top))


def _draw_grid(scale: _Scale) -> list[Markup]:
    bottom, parts = HEIGHT - _BOTTOM, []
    for exponent in range(scale.x[0], scale.x[1] + 1):
        x = scale.place_x(10.0**exponent)
        parts.append(_line(x, _TOP, x, bottom, "grid"))
        label = f"{10**exponent:,}" if exponent >= 0 else f"{10.0**exponent:g}"
        parts.append(_text(x, bottom + 17, label, "tick", "middle"))
    for exponent in range(scale.y[0], scale.y[1] + 1):
        y = scale.place_y(10.0**exponent)
        parts.append(_line(_LEFT, y, WIDTH - _RIGHT, y, "grid"))
        label = format_scaled(10.0**exponent, "").strip().replace(".00", "").replace(".0", "")
        parts.append(_text(_LEFT - 7, y + 4, label, "tick", "end"))
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(
        _text(middle, HEIGHT - 8, "operations per byte of memory traffic", "axis", "middle")
    )
    parts.append(_text(_LEFT - 7, 12, "FLOP/s per core", "axis", "start"))
    return parts


def _draw_roof(chip: Chip, scale: _Scale) -> list[Markup]:
    ridge = chip.peak_flops / chip.hbm_bytes_per_second
    left, right = 10.0 ** scale.x[0], 10.0 ** scale.x[1]
    corners = [(x, _attainable(chip, x)) for x in (left, ridge, right)]
    places = [(scale.place_x(x), scale.place_y(y)) for x, y in corners]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    floor = HEIGHT - _BOTTOM
    below = f"{points} {places[2][0]:.1f},{floor} {places[0][0]:.1f},{floor}"
    (x0, y0), (x1, y1), (x2, _) = places
    angle = math.degrees(math.atan2(y1 - y0, x1 - x0))
    middle = ((x0 + x1) / 2, (y0 + y1) / 2)
    rate = f"memory {format_scaled(chip.hbm_bytes_per_second, 'B/s')}"
    peak = format_scaled(chip.peak_flops, "FLOP/s")
    turn = f"rotate({angle:.2f} {middle[0]:.1f} {middle[1]:.1f})"
    return [
        element("polygon", points=below, class_="below"),
        _line(x1, y1, x1, floor, "ridge"),
        element("polyline", points=points, class_="roof"),
        element("text", rate, class_="roofname", x=f"{middle[0]:.1f}", y=f"{middle[1] - 9:.1f}",
                text_anchor="middle", transform=turn),
        _text((x1 + x2) / 2, y1 - 13, peak, "roofname", "middle"),
    ]  # fmt: skip


def _draw_programs(chip: Chip, programs: Sequence[ProgramReport], scale: _Scale) -> list[Markup]:
    """Draws a dot for each program, with its name beside the end of a line from the dot."""
    speeds = [_attainable(chip, p.arithmetic_intensity or 1) for p in programs]
    places = [
        (scale.place_x(p.arithmetic_intensity or 1), scale.place_y(speed))
        for p, speed in zip(programs, speeds, strict=True)
    ]
    lines, dots = [], []
    labels = _place_labels(places)
    for program, speed, (x, y), label in zip(programs, speeds, places, labels, strict=True):
        note = (
            f"{program.program}: {format_digits(program.arithmetic_intensity)} FLOP per byte, "
            f"at most {format_scaled(speed, 'FLOP/s')}"
        )
        side, anchor = (5, "start") if label.right else (-5, "end")
        lines.append(_line(x, y, x, label.y, "leader"))
        dots.append(
            element(
                "g",
                element("title", note),
                element("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=5.5),
                _text(x + side, label.y, program.program, "program", anchor),
                class_="dot",
            )
        )
    return lines + dots


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Label:
    """Where the name of a program stands.

    Attributes:
        x: Of its dot.
        y: Of its letters' feet.
        right: Whether it is to the right of the line from the dot, else to the left.
    """

    x: float
    y: float
    right: bool

    def overlaps(self, other: _Label) -> bool:
        """Whether both take some of the same width."""
        return self.left_edge < other.left_edge + _LABEL_WIDTH and (
            other.left_edge < self.left_edge + _LABEL_WIDTH
        )

    @property
    def left_edge(self) -> float:
        return self.x if self.right else self.x - _LABEL_WIDTH


def _place_labels(places: Sequence[tuple[float, float]]) -> list[_Label]:
    """Places names so that none covers another, and no dot's line crosses one.

    Names are to the right of their lines, and those of dots more to the left stand farther from the
    roof; or the other way round.

    Args:
        places: x and y of each dot.
    """
    lowest = max(y for _, y in places) + _FIRST + len(places) * _LABEL_HEIGHT
    above = lowest > HEIGHT - _BOTTOM
    fits_left = min(x for x, _ in places) - _LABEL_WIDTH >= _LEFT
    fits_right = max(x for x, _ in places) + _LABEL_WIDTH <= WIDTH - _RIGHT
    # The roof rises to the right: names above it have more room on the left, those below on the
    # right.
    right = not fits_left if above else fits_right or not fits_left
    step = -_LABEL_HEIGHT if above else _LABEL_HEIGHT
    found: dict[int, _Label] = {}
    for index in sorted(range(len(places)), key=lambda i: places[i][0], reverse=right):
        x, y = places[index]
        beside = right
        if not (fits_left or fits_right):
            beside = x < (_LEFT + WIDTH - _RIGHT) / 2
        label = _Label(x=x, y=y + (-_FIRST if above else _FIRST), right=beside)
        heights = [other.y + step for other in found.values() if label.overlaps(other)]
        farthest = min if above else max
        found[index] = dataclasses.replace(label, y=farthest([label.y, *heights]))
    return [found[index] for index in range(len(places))]


def _line(x1: float, y1: float, x2: float, y2: float, name: str) -> Markup:
    return element(
        "line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", class_=name
    )


def _text(x: float, y: float, words: str, name: str, anchor: str) -> Markup:
    return element("text", words, x=f"{x:.1f}", y=f"{y:.1f}", class_=name, text_anchor=anchor)
