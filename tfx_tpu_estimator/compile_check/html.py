"""A compile report as one HTML page, to be read in a browser, printed, or attached to a review."""

from __future__ import annotations

import importlib.resources
from collections.abc import Sequence

from tfx_tpu_estimator import html_page
from tfx_tpu_estimator.compile_check import words
from tfx_tpu_estimator.compile_check.chips import usable_bytes
from tfx_tpu_estimator.compile_check.figures import (
    NOTHING,
    format_bytes,
    format_digits,
    format_scaled,
    format_seconds,
)
from tfx_tpu_estimator.compile_check.program_card import (
    anchor_of,
    render_program,
    render_status,
    render_usage,
)
from tfx_tpu_estimator.compile_check.report import Chip, CompileReport, ProgramReport, Topology
from tfx_tpu_estimator.compile_check.roofline_plot import render_roofline
from tfx_tpu_estimator.html_page import Column, Markup, element

_OVERVIEW = (
    Column(title="Topology"),
    Column(title="Program"),
    Column(title="Result"),
    Column(title="Batch per core", numeric=True),
    Column(title="Memory of a core"),
    Column(title="Step, at least", numeric=True),
    Column(title="Compiled in", numeric=True),
)


def render_html(report: CompileReport, command: str = "") -> str:
    """Returns a report as a page that needs nothing beside itself.

    Args:
        report: What the compile check found.
        command: The command line that made it; is shown, if given.

    Example:
        write_local_file("report.html", render_html(report))
    """
    groups = words.group_by_topology(report)
    compilers = list(dict.fromkeys(p.compiler for p in report.programs if p.compiler))
    return html_page.render_page(
        report.model,
        _render_verdict(report),
        html_page.section("Overview", _render_overview(report)) if report.programs else None,
        [_render_topology(topology, programs) for topology, programs in groups],
        _render_origin(report, compilers, command),
        kind="TPU compile check",
        subtitle=" · ".join([f"{report.created[:16].replace('T', ' ')} UTC", *compilers]),
        style=importlib.resources.files("tfx_tpu_estimator.compile_check")
        .joinpath("report.css")
        .read_text("utf-8"),
    )


def _render_verdict(report: CompileReport) -> Markup:
    verdict = words.describe_report(report)
    problems = [
        element(
            "li",
            element("a", f"{p.program} on {p.topology.name}", href=f"#{anchor_of(p)}"),
            ": ",
            html_page.prose(text.splitlines()[0]),
        )
        for p, text in verdict.problems
    ]
    return html_page.verdict(
        verdict.tone,
        verdict.title,
        element("ul", problems) if problems else None,
        element("p", words.describe_evidence(report), class_="soft"),
    )


def _render_overview(report: CompileReport) -> Markup:
    rows = [
        (
            p.topology.name,
            element("a", p.program, href=f"#{anchor_of(p)}"),
            render_status(p),
            NOTHING if p.per_core_batch is None else f"{p.per_core_batch:,}",
            _render_small_bar(p),
            format_seconds(p.roofline_seconds),
            format_seconds(p.compile_seconds),
        )
        for p in report.programs
    ]
    return element("div", html_page.table(_OVERVIEW, rows, layout="stacked"), class_="card")


def _render_small_bar(program: ProgramReport) -> Markup | str:
    if program.peak_bytes is None:
        return NOTHING
    return element(
        "div",
        render_usage(program),
        element("span", words.describe_memory(program), class_="small soft"),
        class_="usage",
    )


def _render_topology(topology: Topology, programs: Sequence[ProgramReport]) -> Markup:
    return html_page.section(
        topology.name,
        _render_chip(topology, programs),
        [render_program(program) for program in programs],
    )


def _render_chip(topology: Topology, programs: Sequence[ProgramReport]) -> Markup:
    plot = render_roofline(topology.chip, programs)
    figure = None
    if plot is not None:
        figure = element(
            "figure",
            plot,
            element(
                "figcaption",
                "A program can be no faster than the roof above its operations per byte. Left of "
                "the ridge the memory sets the pace, right of it the arithmetic. The dots are "
                "bounds from the compiler's counts, not measurements.",
            ),
        )
    chip = element(
        "div",
        html_page.facts(_list_chip_facts(topology, programs)),
        element("p", f"Source: {topology.chip.source}.".replace("..", "."), class_="soft small"),
    )
    return html_page.card(
        f"The chip: {topology.chip.name}", element("div", chip, figure, class_="chip")
    )


def _list_chip_facts(
    topology: Topology, programs: Sequence[ProgramReport]
) -> list[tuple[str, html_page.Child]]:
    chip: Chip = topology.chip
    ridge = chip.peak_flops / chip.hbm_bytes_per_second
    per_chip = f"{chip.cores_per_chip} per chip"
    return [
        ("Cores", f"{topology.cores} ({per_chip})"),
        ("Memory per core", _describe_memory(chip, programs)),
        ("Peak per core, bfloat16", format_scaled(chip.peak_flops, "FLOP/s")),
        ("Memory rate per core", format_scaled(chip.hbm_bytes_per_second, "B/s")),
        ("Ridge of the roofline", f"{format_digits(ridge)} FLOP/B"),
    ]


def _describe_memory(chip: Chip, programs: Sequence[ProgramReport]) -> html_page.Child:
    """Returns what counts: what the compiler gives to programs; beside it what the chip has."""
    usable = min((p.hbm_bytes for p in programs if p.hbm_bytes), default=usable_bytes(chip))
    if usable >= chip.hbm_bytes:
        return format_bytes(usable)
    return [
        format_bytes(usable),
        element("small", f"for programs, of {format_bytes(chip.hbm_bytes)}"),
    ]


def _render_origin(report: CompileReport, compilers: Sequence[str], command: str) -> Markup:
    how = (
        "Each program was lowered from the model_fn as a run would do it, with its variables, "
        "optimizer and batch sizes, and compiled for the description of a topology by "
        f"{words.format_words(compilers) or 'no compiler: none got so far'}. A hash stands with "
        "each program: the same hash and the same compiler give the same figures."
    )
    notes = [element("li", html_page.prose(note)) for note in report.notes]
    return html_page.origin(
        how,
        command,
        element("ul", [element("li", limit) for limit in words.LIMITS]),
        [element("h4", "Notes"), element("ul", notes)] if notes else None,
        element("h4", "Versions"),
        html_page.facts(report.versions.items()),
    )
