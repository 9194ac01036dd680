"""The page: verdict, facts, thresholds, metrics by slice, curves, metrics of the model_fn."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from tfx_tpu_estimator.html_page import (
    Column,
    Markup,
    Tone,
    callout,
    card,
    element,
    facts,
    prose,
    render_page,
    table,
    verdict,
)

from .charts import STYLE as CHART_STYLE
from .charts import draw_chart
from .curves import Curves
from .data import BASELINE, CANDIDATE, COUNT, Results
from .slices_table import MOST_ROWS, draw_slices, format_number

_STYLE = """
.verdict + .card, .callout + .card { margin-top: 1.2rem; }
.place { color: var(--soft); overflow-wrap: anywhere; }
.facts + .place { margin-top: .9rem; }
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Page:
    """What the page is made of.

    Attributes:
        title: Name of the model.
        blessed: Whether it is blessed; None where nobody asked.
        passed: Whether all thresholds were passed; None where there are none.
        reason: Why, in words.
        failures: What was not passed, in words.
        notes: What else a user should know, in words.
        facts: Names and short values.
        places: Names and paths.
        results: Metrics by slice, or None.
        curves: By model.
        model_fn_metrics: By split.
    """

    title: str
    blessed: bool | None
    passed: bool | None
    reason: str
    failures: Sequence[str]
    notes: Sequence[str]
    facts: Sequence[tuple[str, str]]
    places: Sequence[tuple[str, str]]
    results: Results | None
    curves: Mapping[str, Curves]
    model_fn_metrics: Mapping[str, Mapping[str, Any]]

    def render(self) -> str:
        """Returns the page as HTML."""
        slices, style = _draw_slices_card(self.results)
        return render_page(
            self.title,
            self._draw_verdict(),
            [callout("warn", prose(note)) for note in self.notes],
            self._draw_facts(),
            _draw_comparison(self.results),
            slices,
            _draw_curves(self.curves),
            _draw_model_fn(self.model_fn_metrics),
            kind="Evaluation",
            style=CHART_STYLE + style + _STYLE,
        )

    def _draw_facts(self) -> Markup | None:
        if not self.facts and not self.places:
            return None
        lines = [
            element("p", f"{name}: ", element("code", path), class_="small place")
            for name, path in self.places
        ]
        return card("What was evaluated", facts(self.facts), lines)

    def _draw_verdict(self) -> Markup:
        listed = element("ul", [element("li", failure) for failure in self.failures])
        if self.blessed is None:
            tones: dict[bool | None, Tone] = {True: "good", False: "bad", None: "neutral"}
            title = f"{len(self.failures)} not passed" if self.failures else self.reason
            return verdict(tones[self.passed], title, listed if self.failures else None)
        if self.blessed:
            return verdict("good", "Blessed", element("p", self.reason))
        several = len(self.failures) > 1
        return verdict("bad", "Not blessed", listed if several else element("p", self.reason))


def _draw_slices_card(results: Results | None) -> tuple[Markup | None, str]:
    if results is None or not results.slices:
        return None, ""
    content, style = draw_slices(results)
    more = len(results.slices) - MOST_ROWS
    note = None
    if more > 0:
        note = callout("neutral", f"{more:,} more slices are in the files beside this page.")
    explained = ["A click on ▲ or ▼ sorts."]
    if results.has_baseline:
        explained.append(
            "The mark on a bar is the baseline's value; the small numbers are the interval of "
            "confidence, or else the change."
        )
    caption = element("p", " ".join(explained), class_="soft small")
    return card("Metrics by slice", caption, content, note), style


def _draw_comparison(results: Results | None) -> Markup | None:
    """On all examples, beside the baseline where there is one."""
    if results is None or not results.has_baseline:
        return None
    overall = next((found for found in results.slices if found.is_overall), None)
    if overall is None:
        return None
    rows = []
    for name in results.metrics:
        by_model = overall.values.get(name, {})
        if CANDIDATE in by_model and BASELINE in by_model and not name.startswith(COUNT):
            new, old = by_model[CANDIDATE].value, by_model[BASELINE].value
            rows.append((name, format_number(new), format_number(old), f"{new - old:+.5f}"))
    columns = [
        Column(title="metric"),
        Column(title="this model", numeric=True),
        Column(title="baseline", numeric=True),
        Column(title="change", numeric=True),
    ]
    return card(
        "Compared with the baseline, on all examples", table(columns, rows, layout="compact")
    )


def _draw_curves(curves: Mapping[str, Curves]) -> Markup | None:
    if not curves:
        return None
    # Both models of a comparison have one; each class has its own.
    rates = {round(found.base_rate, 9) for found in curves.values()}
    rate = rates.pop() if len(rates) == 1 else None
    share = "." if rate is None else f"; {rate:.1%} of all examples are positive."
    charts = [
        draw_chart(
            "Calibration: what share of examples has the label, by prediction.",
            {name: found.calibration for name, found in curves.items()},
            axes=("mean prediction", "mean label"),
            guide=((0.0, 0.0), (1.0, 1.0)),
            about="Calibration: mean label by mean prediction; on the dashed line both are equal.",
            dots=True,
        ),
        draw_chart(
            "ROC: what each share of false alarms finds of the positives.",
            {name: found.roc for name, found in curves.items()},
            axes=("false positive rate", "true positive rate"),
            guide=((0.0, 0.0), (1.0, 1.0)),
            about="ROC curve; the dashed line is guessing.",
        ),
        draw_chart(
            f"Precision and recall{share}",
            {name: found.precision_recall for name, found in curves.items()},
            axes=("recall", "precision"),
            guide=None if rate is None else ((0.0, rate), (1.0, rate)),
            about="Precision by recall; a dotted line is guessing.",
        ),
    ]
    return card("Curves, on all examples", element("div", charts, class_="charts"))


def _draw_model_fn(metrics: Mapping[str, Mapping[str, Any]]) -> Markup | None:
    if not metrics:
        return None
    rows = [
        (split, name, format_number(float(value)))
        for split, values in metrics.items()
        for name, value in sorted(values.items())
        if isinstance(value, (int, float))
    ]
    columns = [Column(title="split"), Column(title="metric"), Column(title="value", numeric=True)]
    return card("Metrics of the model_fn", table(columns, rows, layout="compact"))
