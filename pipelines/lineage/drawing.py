"""Draws a lineage as one HTML page: a diagram, and what is known of each part."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping

from tfx_tpu_estimator.html_page import (
    Column,
    Markup,
    element,
    render_page,
    section,
    table,
)
from tfx_tpu_estimator.whole_files import write_local_file

from .store import Artifact, Execution
from .tracing import Lineage, Origin
from .words import describe_artifact, describe_execution

_WIDTH, _HEIGHT = 164, 56
_GAP_X, _GAP_Y = 32, 24
_MARGIN = 12
# An edge over several columns runs below what is between, each in a lane of its own.
_LANE_FIRST, _LANE = 11, 7
_STYLE = """
.lineage { overflow-x: auto; }
.lineage svg { display: block; font: inherit; max-width: 100%; min-width: 50rem; height: auto; }
.lineage rect { fill: var(--paper); stroke: var(--line); stroke-width: 1.5; }
.lineage .execution rect { fill: var(--neutral-paper); stroke: var(--neutral); }
.lineage .model rect { stroke: var(--link); stroke-width: 3; }
.lineage text { fill: var(--ink); font-size: 13px; }
.lineage .title { font-weight: 600; }
.lineage .below { fill: var(--soft); font-size: 12px; }
.lineage path { fill: none; stroke: var(--soft); stroke-width: 1.5; }
.lineage marker path { fill: var(--soft); stroke: none; }
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Box:
    """A box of the diagram.

    Attributes:
        key: What tells it from others: "a12" for artifact 12, "e3" for execution 3.
        title: Its first line.
        below: Its second line.
        kind: "artifact", "execution" or "model".
    """

    key: str
    title: str
    below: str
    kind: str


def write_drawing(path: str | os.PathLike[str], lineage: Lineage) -> None:
    """Writes the page, whole or not at all.

    Args:
        path: The file.
        lineage: From `trace_model`.

    Raises:
        OSError: If it cannot be written.
    """
    write_local_file(path, render_lineage(lineage))


def render_lineage(lineage: Lineage) -> str:
    """Returns the page."""
    model = lineage.origin.artifact
    boxes, edges = lay_out(lineage)
    diagram = element("div", _draw(boxes, edges), class_="lineage")
    origins = list(_walk(lineage.origin))
    known = _list((origin.artifact, origin.execution) for origin in origins)
    results = _list((result.artifact, result.execution) for result in lineage.results)
    return render_page(
        f"Model {model.id}",
        section("What was made of what", diagram),
        section("What became of it", results) if lineage.results else None,
        section("The model, and what it was made of", known),
        kind="Lineage",
        subtitle=model.uri,
        style=_STYLE,
    )


def lay_out(lineage: Lineage) -> tuple[dict[str, Box], list[tuple[str, str]]]:
    """Returns the boxes by their keys, and the edges from what was used to what was made."""
    boxes: dict[str, Box] = {}
    edges: list[tuple[str, str]] = []

    def add(box: Box) -> str:
        boxes.setdefault(box.key, box)
        return box.key

    for origin in _walk(lineage.origin):
        kind = "model" if origin is lineage.origin else "artifact"
        artifact = add(_make_artifact_box(origin.artifact, kind))
        if origin.execution is None:
            continue
        execution = origin.execution
        key = f"e{execution.id}"
        add(Box(key=key, title=execution.node, below=f"execution {key[1:]}", kind="execution"))
        edges.append((key, artifact))
        edges += [(f"a{used.artifact.id}", key) for used in origin.inputs]
    for result in lineage.results:
        execution = result.execution
        key = f"e{execution.id}"
        add(Box(key=key, title=execution.node, below=f"execution {key[1:]}", kind="execution"))
        made = add(_make_artifact_box(result.artifact, "artifact"))
        edges += [*((f"a{used}", key) for used in result.inputs), (key, made)]
    # What a verdict or a push used beside what is shown is left out.
    shown = (edge for edge in edges if edge[0] in boxes)
    return boxes, list(dict.fromkeys(shown))


def _make_artifact_box(artifact: Artifact, kind: str) -> Box:
    words = describe_artifact(artifact)
    return Box(
        key=f"a{artifact.id}",
        title=f"{artifact.type} {artifact.id}",
        below=words[0] if words else artifact.uri,
        kind=kind,
    )


def _walk(origin: Origin) -> Iterator[Origin]:
    if origin.repeated:
        return
    yield origin
    for used in origin.inputs:
        yield from _walk(used)


def _find_columns(boxes: Mapping[str, Box], edges: list[tuple[str, str]]) -> dict[str, int]:
    """Puts each box right of everything that it was made of."""
    columns = dict.fromkeys(boxes, 0)
    for _ in boxes:
        moved = False
        for before, after in edges:
            if columns[after] <= columns[before]:
                columns[after] = columns[before] + 1
                moved = True
        if not moved:
            break
    return columns


def _draw(boxes: Mapping[str, Box], edges: list[tuple[str, str]]) -> Markup:
    columns = _find_columns(boxes, edges)
    rows: dict[int, int] = {}
    places: dict[str, tuple[int, int]] = {}
    for key in boxes:
        column = columns[key]
        row = rows.get(column, 0)
        rows[column] = row + 1
        places[key] = (
            _MARGIN + column * (_WIDTH + _GAP_X),
            _MARGIN + row * (_HEIGHT + _GAP_Y),
        )
    lines, lowest = _draw_edges(edges, columns, rows, places)
    width = 2 * _MARGIN + (max(columns.values()) + 1) * (_WIDTH + _GAP_X) - _GAP_X
    height = max(_find_bottom(rows.values()), lowest) + _MARGIN
    arrow = element(
        "marker",
        element("path", d="M0,0 L8,4 L0,8 z"),
        id="arrow",
        markerWidth=8,
        markerHeight=8,
        refX=8,
        refY=4,
        orient="auto",
    )
    return element(
        "svg",
        element("title", "What was made of what, from left to right"),
        element("defs", arrow),
        lines,
        [_draw_box(box, places[key]) for key, box in boxes.items()],
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
    )


def _find_bottom(rows: Iterable[int]) -> int:
    """Returns where the boxes end below, in columns of so many rows."""
    return _MARGIN + max(rows) * (_HEIGHT + _GAP_Y) - _GAP_Y


def _draw_edges(
    edges: Iterable[tuple[str, str]],
    columns: Mapping[str, int],
    rows: Mapping[int, int],
    places: Mapping[str, tuple[int, int]],
) -> tuple[list[Markup], int]:
    """Returns the lines, and how far down they go."""
    lines, lowest, lanes = [], 0, 0
    for before, after in edges:
        between = range(columns[before] + 1, columns[after])
        lane = None
        if between:
            lane = _find_bottom(rows[column] for column in between) + _LANE_FIRST + _LANE * lanes
            lanes += 1
            lowest = max(lowest, lane)
        lines.append(_draw_edge(places[before], places[after], lane))
    return lines, lowest


def _draw_edge(before: tuple[int, int], after: tuple[int, int], lane: int | None) -> Markup:
    x, y = before[0] + _WIDTH, before[1] + _HEIGHT // 2
    end_x, end_y = after[0] - 2, after[1] + _HEIGHT // 2
    middle = (x + end_x) // 2
    path = f"M{x},{y} C{middle},{y} {middle},{end_y} {end_x},{end_y}"
    if lane is not None:
        half = _GAP_X // 2
        path = (
            f"M{x},{y} C{x + half},{y} {x + half},{lane} {x + _GAP_X},{lane} "
            f"H{end_x - _GAP_X} C{end_x - half},{lane} {end_x - half},{end_y} {end_x},{end_y}"
        )
    return element("path", d=path, marker_end="url(#arrow)")


def _draw_box(box: Box, place: tuple[int, int]) -> Markup:
    x, y = place
    return element(
        "g",
        element("title", f"{box.title}: {box.below}"),
        element(
            "rect",
            x=x,
            y=y,
            width=_WIDTH,
            height=_HEIGHT,
            rx=_HEIGHT // 2 if box.kind == "execution" else 8,
        ),
        element("text", _cut(box.title, 19), x=x + 13, y=y + 24, class_="title"),
        element("text", _cut(box.below, 20), x=x + 13, y=y + 43, class_="below"),
        class_=box.kind,
    )


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _list(rows: Iterable[tuple[Artifact, Execution | None]]) -> Markup:
    columns = [
        Column(title="artifact"),
        Column(title="made by"),
        Column(title="known of it"),
        Column(title="where", code=True, wide=True),
    ]
    cells = [
        (
            element("strong", f"{artifact.type} {artifact.id}"),
            describe_execution(execution) if execution else "not known",
            [element("div", line) for line in describe_artifact(artifact)],
            artifact.uri,
        )
        for artifact, execution in rows
    ]
    return table(columns, cells, layout="stacked")
