"""The table of metrics by slice, which readers can sort without any script."""

from __future__ import annotations

import math

from tfx_tpu_estimator.html_page import Markup, element

from .data import BASELINE, CANDIDATE, CHANGE, COUNT, Results, SliceResult, Value

# More make a page that browsers are slow with.
MOST_ROWS = 1000

_STYLE = """
.sorting input { position: absolute; opacity: 0; pointer-events: none; }
.slices { display: grid; font-size: .88rem; overflow-x: auto; column-gap: 1.4rem; }
.slices .head, .slices .row, .slices .rows { display: grid; grid-template-columns: subgrid;
  grid-column: 1 / -1; }
.slices .head, .slices .row { border-bottom: 1px solid var(--line); }
.slices .cell { padding: .45rem 0; min-width: 0; }
.slices .head .cell { color: var(--soft); font-weight: 600; font-size: .8rem;
  white-space: nowrap; display: flex; gap: .3rem; align-items: baseline; }
.slices .name { overflow-wrap: break-word; min-width: 9rem; max-width: 24rem; }
.slices .name small { display: block; font-size: .75rem; line-height: 1.3; }
.slices .overall { font-weight: 650; }
.slices .number { font-variant-numeric: tabular-nums; white-space: nowrap; }
.slices .number small { color: var(--soft); margin-left: .4rem; }
.slices .failed .number { color: var(--bad); font-weight: 650; }
.slices .meter { position: relative; height: .35rem; border-radius: 3px; min-width: 5rem;
  background: var(--sunken); margin-top: .2rem; }
.slices .meter i { position: absolute; inset: 0 auto 0 0; border-radius: 3px;
  background: var(--fill1); }
.slices .failed .meter i { background: var(--bad); }
.slices .meter b { position: absolute; top: -.2rem; bottom: -.2rem; width: 2px;
  background: var(--fill2); }
.slices label { cursor: pointer; border-radius: 4px; padding: 0 .15rem; line-height: 1.2; }
.slices label:hover { background: var(--sunken); color: var(--ink); }
@media print { .slices label { display: none; } .slices { overflow: visible; } }
"""


def draw_slices(results: Results) -> tuple[Markup, str]:
    """Returns the table and the CSS that it needs.

    Args:
        results: Metrics by slice.
    """
    rows = results.slices[:MOST_ROWS]
    metrics = results.metrics
    ranks = [_rank([found.name for found in rows])]
    ranks += [_rank([_sort_key(found, name) for found in rows]) for name in metrics]
    scales = {name: _find_scale(rows, name) for name in metrics}
    lines = [
        _draw_row(found, metrics, scales, results.failures, [rank[n] for rank in ranks])
        for n, found in enumerate(rows)
    ]
    head = element(
        "div",
        [_draw_heading(number, name) for number, name in enumerate(["slice", *metrics])],
        class_="head",
        role="row",
    )
    table = element(
        "div",
        head,
        element("div", lines, class_="rows", role="rowgroup"),
        class_="slices",
        role="table",
        aria_label="Metrics by slice",
        tabindex=0,
        style=f"grid-template-columns: minmax(9rem, auto) repeat({len(metrics)}, max-content)",
    )
    inputs = [
        element(
            "input",
            type="radio",
            name="order",
            id=f"sort-{number}-{way}",
            aria_label=f"sort by {name}, {words}",
        )
        for number, name in enumerate(["slice", *metrics])
        for way, words in (("up", "smallest first"), ("down", "largest first"))
    ]
    return element("div", inputs, table, class_="sorting"), _STYLE + _order_style(len(ranks))


def _draw_heading(number: int, name: str) -> Markup:
    buttons = [
        element("label", sign, for_=f"sort-{number}-{way}", title=words)
        for way, sign, words in (("up", "▲", "smallest first"), ("down", "▼", "largest first"))
    ]
    return element("div", name, buttons, class_="cell", role="columnheader")


def _order_style(columns: int) -> str:
    rules = []
    for number in range(columns):
        for way, sign in (("up", 1), ("down", -1)):
            chosen = f"#sort-{number}-{way}:checked ~ .slices"
            rules.append(f"{chosen} .row {{ order: calc({sign} * var(--o{number})); }}")
            rules.append(f'{chosen} [for="sort-{number}-{way}"] {{ color: var(--link); }}')
            focus = f"#sort-{number}-{way}:focus-visible ~ .slices"
            rules.append(f'{focus} [for="sort-{number}-{way}"] {{ outline: 2px solid; }}')
    return "\n".join(rules)


def _draw_row(
    found: SliceResult,
    metrics: list[str],
    scales: dict[str, float],
    failures: frozenset[tuple[str, str]],
    order: list[int],
) -> Markup:
    style = ";".join(f"--o{number}:{rank}" for number, rank in enumerate(order))
    name = "cell name overall" if found.is_overall else "cell name"
    error = element("small", found.error, class_="soft") if found.error else None
    cells = [element("div", found.name, error, class_=name, role="rowheader")]
    for metric in metrics:
        failed = (found.name, metric) in failures
        cells.append(_draw_cell(metric, found.values.get(metric, {}), scales[metric], failed))
    return element("div", cells, class_="row", role="row", style=style)


def _draw_cell(metric: str, by_model: dict[str, Value], scale: float, failed: bool) -> Markup:
    value = by_model.get(CANDIDATE) or by_model.get(CHANGE)
    classes = "cell failed" if failed else "cell"
    if value is None:
        return element("div", element("span", "none", class_="soft"), class_=classes, role="cell")
    # Both models saw the same examples.
    baseline = None if metric.startswith(COUNT) else by_model.get(BASELINE)
    words = [format_number(value.value), *_describe_extra(value, baseline)]
    number = element("div", words[0], element("small", " ".join(words[1:])), class_="number")
    note = "threshold not passed" if failed else None
    meter = _draw_meter(value, baseline, scale)
    return element("div", number, meter, class_=classes, role="cell", title=note)


def _describe_extra(value: Value, baseline: Value | None) -> list[str]:
    if value.low is not None and value.high is not None:
        return [f"{format_number(value.low)} … {format_number(value.high)}"]
    if baseline is not None:
        return [f"{value.value - baseline.value:+.4f}"]
    return []


def _draw_meter(value: Value, baseline: Value | None, scale: float) -> Markup | None:
    if not math.isfinite(value.value) or scale <= 0 or value.value < 0:
        return None
    bar = element("i", style=f"width:{_percent(value.value / scale)}")
    mark = None
    if baseline is not None and math.isfinite(baseline.value) and baseline.value >= 0:
        mark = element("b", style=f"left:{_percent(baseline.value / scale)}", title="baseline")
    return element("div", bar, mark, class_="meter", aria_hidden="true")


def _find_scale(rows: list[SliceResult], metric: str) -> float:
    """Returns the value whose bar is full: 1 for shares, else the largest there is."""
    found = [v.value for row in rows for v in row.values.get(metric, {}).values()]
    finite = [abs(value) for value in found if math.isfinite(value)]
    most = max(finite, default=0.0)
    return 1.0 if most <= 1 else most


def _sort_key(found: SliceResult, metric: str) -> float:
    value = found.values.get(metric, {}).get(CANDIDATE)
    # What is no number comes last of the smallest, first of the largest.
    return math.inf if value is None or math.isnan(value.value) else value.value


def _rank(values: list) -> list[int]:
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0] * len(values)
    for rank, place in enumerate(order):
        ranks[place] = rank
    return ranks


def format_number(value: float) -> str:
    """Returns a number with as many digits as tell something.

    Example:
        >>> format_number(0.51234567), format_number(12345.0), format_number(float("nan"))
        ('0.5123', '12,345', 'NaN')
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.1f}".removesuffix(".0") if abs(value) < 1e9 else f"{value:.4g}"
    if abs(value) >= 100:
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return f"{value:.4f}" if abs(value) >= 0.001 else f"{value:.3g}"


def _percent(share: float) -> str:
    return f"{100 * min(max(share, 0), 1):.2f}%"
