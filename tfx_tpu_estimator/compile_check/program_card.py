"""The card of one program on the page of a compile report."""

from __future__ import annotations

import re

from tfx_tpu_estimator import html_page
from tfx_tpu_estimator.compile_check import report as reports
from tfx_tpu_estimator.compile_check import words
from tfx_tpu_estimator.compile_check.figures import (
    NOTHING,
    format_bytes,
    format_digits,
    format_mib,
    format_scaled,
    format_seconds,
    format_shape,
)
from tfx_tpu_estimator.compile_check.report import Buffer, ProgramReport
from tfx_tpu_estimator.html_page import Child, Column, Markup, Tone, element

_TONES: dict[str, Tone] = {reports.FITS: "good", reports.CRASHED: "warn", reports.TIMED_OUT: "warn"}
# So many tensors are shown at once; the others can be folded out.
_SHOWN = 5
_COLLECTIVES = (
    Column(title="Collective", code=True),
    Column(title="Count", numeric=True),
    Column(title="MiB per core", numeric=True),
)
_TENSORS = (
    Column(title="MiB", numeric=True),
    Column(title="Type", code=True),
    Column(title="Of the model", code=True, wide=True),
    Column(title="Of the compiler", code=True, wide=True),
)


def anchor_of(program: ProgramReport) -> str:
    """Returns the id of a program's card."""
    return re.sub(r"[^\w-]", "-", f"{program.topology.name}-{program.program}")


def tone_of(program: ProgramReport) -> Tone:
    """Returns whether a program's status is good, bad, or not known enough."""
    return _TONES.get(program.status, "bad")


def render_status(program: ProgramReport) -> Markup:
    """Returns the status in a word or two."""
    status = words.STATUS_WORDS.get(program.status, program.status)
    return html_page.badge(tone_of(program), status)


def render_program(program: ProgramReport) -> Markup:
    """Returns the card of a program."""
    return html_page.card(
        program.program,
        None if program.ok and not program.message else _render_message(program),
        _render_memory(program),
        _render_work(program),
        _render_collectives(program),
        _render_tensors(program),
        _render_compile(program),
        aside=render_status(program),
        anchor=anchor_of(program),
    )


def render_usage(program: ProgramReport) -> Markup:
    """Returns a thin bar: how much of a core's memory a program with `peak_bytes` takes."""
    peak, limit = program.peak_bytes or 0, program.hbm_bytes
    return html_page.stacked_bar(
        [(1, peak, "")],
        max(peak, limit or 0),
        label=f"Memory of a core: {words.describe_memory(program)}",
        limit=limit if limit and peak > limit else None,
        thin=True,
    )


def _render_memory_bar(program: ProgramReport) -> Markup:
    parts = _list_memory(program)
    limit = program.hbm_bytes
    return html_page.stacked_bar(
        [(n, size, f"{name}: {format_bytes(size)}") for n, name, size, _ in parts],
        max(sum(size for _, _, size, _ in parts), program.peak_bytes or 0, limit or 0),
        label=f"Memory of a core: {words.describe_memory(program)}",
        limit=limit,
        limit_label=f"programs can have {format_bytes(limit)}" if limit else None,
    )


def _list_memory(program: ProgramReport) -> list[tuple[int, str, int, str]]:
    """Returns colour, name, bytes and a remark of what makes up a program's memory."""
    arguments, outputs = program.argument_bytes or 0, program.output_bytes or 0
    reused = program.alias_bytes or 0
    own = max(outputs - reused, 0)
    code, temporaries = program.code_bytes or 0, program.temp_bytes or 0
    rest = (program.peak_bytes or 0) - arguments - own - code - temporaries
    remark = f"and {format_mib(reused)} MiB in place of arguments" if reused else ""
    parts = [
        (1, "Arguments", arguments, "variables and input"),
        (2, "Temporaries", temporaries, ""),
        (3, "Outputs", own, remark),
        (4, "Code", code, ""),
    ]
    # Rounding to whole buffers is no part worth a colour.
    return [*parts, (5, "Other", rest, "")] if rest > 0.01 * (program.peak_bytes or 0) else parts


def _render_message(program: ProgramReport) -> Markup:
    first, *others = words.describe_problem(program).strip().splitlines()
    return html_page.callout(
        tone_of(program),
        element("p", html_page.prose(first[:1].upper() + first[1:])),
        element("pre", "\n".join(others)) if others else None,
    )


def _render_memory(program: ProgramReport) -> list[Markup] | None:
    if program.peak_bytes is None:
        return None
    parts = [
        (number, [name, f" ({remark})" if remark else ""], f"{format_mib(size)} MiB")
        for number, name, size, remark in _list_memory(program)
    ]
    return [
        element("h4", "Memory: ", words.describe_memory(program)),
        element("div", _render_memory_bar(program), class_="memory"),
        html_page.legend(parts),
    ]


def _render_work(program: ProgramReport) -> Markup | None:
    if program.peak_bytes is None and program.flops is None:
        return None  # the compiler did not get so far
    facts: list[tuple[str, Child]] = []
    if program.per_core_batch is not None:
        facts.append(("Batch per core", f"{program.per_core_batch:,}"))
    largest = words.describe_largest_batch(program)
    if largest is not None:
        facts.append(("Largest batch that fits", largest))
    if program.flops is not None:
        facts.append(("Operations per step", format_scaled(program.flops, "FLOP")))
    if program.bytes_accessed is not None:
        facts.append(("Memory traffic", format_scaled(program.bytes_accessed, "B")))
    if program.arithmetic_intensity is not None:
        intensity = f"{format_digits(program.arithmetic_intensity)} FLOP/B"
        facts.append(("Arithmetic intensity", intensity))
    if program.roofline_seconds is not None:
        bound = f"bound by {program.bound}" if program.bound else None
        remarks = [_small(bound), _small(words.describe_rate(program))]
        facts.append(("A step takes at least", [format_seconds(program.roofline_seconds), remarks]))
    return element("div", html_page.facts(facts), class_="work")


def _small(text: str | None) -> Markup | None:
    return element("small", text) if text else None


def _render_collectives(program: ProgramReport) -> list[Markup] | None:
    if program.flops is None and not program.collectives:
        return None
    if not program.collectives:
        return [element("h4", "Collectives"), element("p", "None.", class_="soft small")]
    rows = [(c.kind, f"{c.count:,}", format_mib(c.bytes)) for c in program.collectives]
    return [element("h4", "Collectives"), html_page.table(_COLLECTIVES, rows, layout="compact")]


def _render_tensors(program: ProgramReport) -> list[Markup] | None:
    if not program.largest:
        return None
    rows = [_list_cells(buffer) for buffer in program.largest]
    more = len(rows) - _SHOWN
    return [
        element("h4", "Largest tensors"),
        html_page.table(_TENSORS, rows[:_SHOWN]),
        html_page.disclosure(f"{more} more", html_page.table(_TENSORS, rows[_SHOWN:]))
        if more > 0
        else Markup(),
    ]


def _list_cells(buffer: Buffer) -> tuple[str, str, str, str]:
    shape = format_shape(buffer.dtype, buffer.shape)
    return format_mib(buffer.bytes), shape, buffer.name or NOTHING, buffer.op


def _render_compile(program: ProgramReport) -> Markup | None:
    facts: list[Child] = []
    if program.peak_bytes is None and program.per_core_batch is not None:
        facts.append(f"Batch per core: {program.per_core_batch:,}")
    if program.compile_seconds is not None:
        facts.append(f"Compiler: {program.compiler}, {words.describe_compile(program)}")
    elif program.compiler:
        facts.append(f"Compiler: {program.compiler}")
    if program.program_hash:
        facts.append(["Program ", element("code", program.program_hash[:16])])
    separated = [[" · " if n else None, fact] for n, fact in enumerate(facts)]
    return element("p", separated, class_="soft small made") if facts else None
