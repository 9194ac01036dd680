"""The tables of a compile report: readable in 80 columns, plain where there is no terminal."""

import io
import re

import pytest
from helpers.compile_reports import make_mixed_report, make_program, make_report, make_unfit
from rich.console import Console

from tfx_tpu_estimator.compile_check import report as reports
from tfx_tpu_estimator.compile_check import table


def find_row(text, title, program):
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if title in line)
    return next(line for line in lines[start:] if line.strip().startswith(program)).split()


def test_figures_of_a_program_that_fits():
    text = table.render_table(make_report())
    assert find_row(text, "memory of a core", "train") == [
        "train", "8", "fits", "1,914", "12%", "1,260", "633", "0", "21",
    ]  # fmt: skip
    assert find_row(text, "work of a core", "train") == [
        "train", "710", "G", "24.0", "G", "29.6", "29.3", "ms", "memory", "112", "102", "s",
    ]  # fmt: skip
    assert find_row(text, "collectives in a step", "train") == ["train", "all-reduce", "3", "418"]
    assert find_row(text, "work of a core", "predict")[-1] == "cached"
    assert "largest tensors" not in text
    assert text.splitlines()[-1] == (
        "All 4 programs compile for v5e:2x2 and fit. "
        "Compiled by the TPU compiler, not run on a TPU."
    )


def test_problems_are_told_with_what_the_compiler_said():
    text = table.render_table(make_mixed_report())
    assert "train on v5e:2x2: needs 20.31 GiB of the 15.75 GiB" in text
    assert "tf.strings.split(features['text'])" in text
    assert "v5e:2x2: largest tensors of train" in text
    assert "f32[256,12,512,512]" in text
    assert find_row(text, "memory of a core", "serving")[:4] == ["serving", "1", "crashed", "-"]
    assert "Note: predict uses predict_batch_size 64" in text


@pytest.mark.parametrize("status", reports.STATUSES)
def test_every_status_can_be_shown(status):
    text = table.render_table(make_report(make_unfit("train", status, "why\nand where")))
    assert "train" in text


def test_details_show_all_tensors():
    report = make_report()
    assert table.render_table(report, details=True).count("largest tensors of") == 4


def test_names_are_no_markup():
    report = make_report(
        make_program(largest=(reports.Buffer(bytes=1, shape=(), dtype="f32", op="[red]x[/red]"),)),
        notes=("[bold]loud[/bold]",),
    )
    text = table.render_table(report, details=True)
    assert "[red]x[/red]" in text
    assert "[bold]loud[/bold]" in text


def test_no_terminal_no_decoration(capsys):
    table.print_report(make_mixed_report())
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert printed.isascii() or set(re.sub(r"[\x00-\x7f]", "", printed)) == {"µ"}


def test_a_terminal_of_80_columns_cuts_no_figure(monkeypatch):
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, color_system=None)
    monkeypatch.setattr(table, "_make_console", lambda _: console)
    table.print_report(make_mixed_report())
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    row = find_row(file.getvalue(), "memory of a core", "train")
    assert row == ["train", "256", "too", "large", "20,797", "129%", "1,260", "19,516", "0", "21"]
    assert "…" not in file.getvalue()
