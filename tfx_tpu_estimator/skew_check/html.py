"""A skew report as one HTML page, to be read in a browser, printed, or attached to a review."""

from __future__ import annotations

from tfx_tpu_estimator import html_page
from tfx_tpu_estimator.html_page import Column, Markup, element
from tfx_tpu_estimator.skew_check.report import (
    OutputReport,
    ProgramReport,
    SignatureReport,
    SkewReport,
    WorstExample,
)
from tfx_tpu_estimator.skew_check.words import count, describe_example, list_problems

_NOTHING = "\N{EN DASH}"
_OUTPUTS = (
    Column(title="Output", code=True),
    Column(title="Result"),
    Column(title="Type", code=True),
    Column(title="Values", numeric=True),
    Column(title="Beyond", numeric=True),
    Column(title="Largest difference", numeric=True),
    Column(title="Relative", numeric=True),
    Column(title="Tolerance, x in {serve}"),
)
_WORST = (
    Column(title="Output", code=True),
    Column(title="Example", wide=True),
    Column(title="Place", code=True),
    Column(title="In {serve}", numeric=True),
    Column(title="In {serve, tpu}", numeric=True),
    Column(title="Apart", numeric=True),
)
_PROGRAMS = (
    Column(title="Inputs", code=True, wide=True),
    Column(title="Compiled in", numeric=True),
    Column(title="SHA-256", code=True),
)
_LIMIT = (
    "Programs ran on the device named above. On a CPU they have a CPU's arithmetic: that they "
    "compile for a TPU and fit its memory is the matter of the compile check."
)
_STYLE = ".card > .tablebox + .callout { margin-top: 1rem; } td.code { overflow-wrap: anywhere; }"


def render_html(report: SkewReport, command: str = "") -> str:
    """Returns a report as a page that needs nothing beside itself.

    Args:
      report: What the check found.
      command: The command line that made it; is shown, if given.

    Example:
      >>> report = SkewReport(saved_model="/models/1", examples=0, batch_size=1, device="cpu")
      >>> render_html(report)[:15]
      '<!doctype html>'
    """
    examples = f"{count(report.examples, 'example')}, {report.batch_size} at a time"
    return html_page.render_page(
        report.saved_model,
        _render_verdict(report),
        html_page.section("Signatures", [_render_signature(s) for s in report.signatures])
        if report.signatures
        else None,
        _render_programs(report),
        _render_origin(command),
        kind="Skew check",
        subtitle=f"{examples} · programs ran on {report.device}",
        style=_STYLE,
    )


def _render_verdict(report: SkewReport) -> Markup:
    compared = "{serve} in TensorFlow, and the programs inside {serve, tpu} through XLA."
    if report.passed:
        title = f"Both graphs compute the same on {count(report.examples, 'example')}."
        return html_page.verdict("good", title, element("p", compared, class_="soft"))
    problems = [element("li", html_page.prose(problem)) for problem in list_problems(report)]
    differs = any(output.beyond for s in report.signatures for output in s.outputs)
    return html_page.verdict(
        "bad",
        "The two graphs do not compute the same." if differs else "The check failed.",
        element("ul", problems),
        element("p", compared, class_="soft"),
    )


def _render_signature(signature: SignatureReport) -> Markup:
    rows = [_list_cells(signature, output) for output in signature.outputs]
    outputs = signature.outputs
    worst = [_list_worst(o.name, e) for o in outputs for e in o.worst if e.absolute != 0]
    beyond = any(output.beyond for output in outputs)
    problems = [*signature.problems, *(f"`{o.name}` {p}" for o in outputs for p in o.problems)]
    said = "same" if signature.passed else "differs" if beyond else "failed"
    return html_page.card(
        signature.name,
        html_page.table(_OUTPUTS, rows, layout="stacked") if rows else None,
        [html_page.callout("bad", element("p", html_page.prose(text))) for text in problems],
        [html_page.callout("neutral", element("p", html_page.prose(t))) for t in signature.notes],
        html_page.disclosure(
            "Examples that differ most",
            html_page.table(_WORST, worst, layout="stacked"),
            open_=beyond,
        )
        if worst
        else None,
        aside=html_page.badge("good" if signature.passed else "bad", said),
    )


def _list_cells(signature: SignatureReport, output: OutputReport) -> tuple[Markup | str, ...]:
    badge = html_page.badge("bad", "differs")
    if signature.problems and not output.values:
        badge = html_page.badge("warn", "not run")
    elif output.passed:
        badge = html_page.badge("good", "within" if output.max_absolute else "equal")
    return (
        output.name,
        badge,
        output.dtype,
        f"{output.values:,}",
        f"{output.beyond:,}",
        _format(output.max_absolute),
        _format(output.max_relative),
        str(output.tolerance),
    )


def _list_worst(output: str, example: WorstExample) -> tuple[str, ...]:
    return (
        output,
        describe_example(example),
        str(list(example.position)) if example.position else _NOTHING,
        str(example.serve),
        str(example.tpu),
        _format(example.absolute),
    )


def _render_programs(report: SkewReport) -> Markup | None:
    if not report.programs:
        return None
    names = dict.fromkeys(program.name for program in report.programs)
    same = [[p for p in report.programs if p.name == name] for name in names]
    return html_page.section("TPU computations", [_render_program(programs) for programs in same])


def _render_program(programs: list[ProgramReport]) -> Markup:
    """Returns a card of one computation, which was compiled for one or several shapes."""
    first = programs[0]
    rows = [(", ".join(p.inputs) or "none", f"{p.seconds:.1f} s", p.digest[:16]) for p in programs]
    ops = [f"{number} {op}" for op, number in sorted(first.ops.items(), key=lambda item: -item[1])]
    facts = (
        ("Ops", f"{sum(first.ops.values()):,}"),
        ("Variables", f"{first.variables:,}"),
        ("Compiled for", count(len(programs), "shape")),
    )
    return html_page.card(
        first.name,
        html_page.facts(facts),
        html_page.disclosure("Shapes", html_page.table(_PROGRAMS, rows)),
        html_page.disclosure("Ops by type", element("p", ", ".join(ops), class_="small")),
    )


def _render_origin(command: str) -> Markup:
    how = (
        "Both graphs were read from saved_model.pb and run on the same examples; none of the code "
        "that made the model was used. A value may differ by its tolerance, in which max |x| is "
        "the largest value of the same output and batch."
    )
    return html_page.origin(how, command, element("p", _LIMIT))


def _format(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.3g}"
