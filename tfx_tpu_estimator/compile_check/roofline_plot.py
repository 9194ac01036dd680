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
    """Draws a dot for each program, with its name where no other name is."""
    lines, dots, taken = [], [], []
    for program in programs:
        intensity = program.arithmetic_intensity or 1
        speed = _attainable(chip, intensity)
        x, y = scale.place_x(intensity), scale.place_y(speed)
        label_x = min(max(x, _LEFT + _LABEL_WIDTH / 2), WIDTH - _RIGHT - _LABEL_WIDTH / 2)
        # Below the dot, or above it where so many names might not find room.
        is_low = y + 40 + len(programs) * _LABEL_HEIGHT > HEIGHT - _BOTTOM
        label_y = _find_free(taken, label_x, y, is_low)
        taken.append((label_x, label_y))
        note = (
            f"{program.program}: {format_digits(intensity)} FLOP per byte, at most "
            f"{format_scaled(speed, 'FLOP/s')}"
        )
        end = label_y - 14 if label_y > y else label_y + 5
        lines.append(_line(x, y, label_x, end, "leader"))
        dots.append(
            element(
                "g",
                element("title", note),
                element("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=5.5),
                _text(label_x, label_y, program.program, "program", "middle"),
                class_="dot",
            )
        )
    return lines + dots


def _find_free(taken: Sequence[tuple[float, float]], x: float, y: float, above: bool) -> float:
    """Returns the height of a name for the dot at x, y where no other name is."""
    place, step = (y - 24, -_LABEL_HEIGHT) if above else (y + 40, _LABEL_HEIGHT)
    while any(
        abs(x - other) < _LABEL_WIDTH and abs(place - height) < _LABEL_HEIGHT
        for other, height in taken
    ):
        place += step
    return place


def _line(x1: float, y1: float, x2: float, y2: float, name: str) -> Markup:
    return element(
        "line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", class_=name
    )


def _text(x: float, y: float, words: str, name: str, anchor: str) -> Markup:
    return element("text", words, x=f"{x:.1f}", y=f"{y:.1f}", class_=name, text_anchor=anchor)
