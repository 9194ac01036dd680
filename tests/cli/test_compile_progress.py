"""What `tfx-tpu-estimator compile` says while it works."""

import io

from helpers.compile_reports import make_program, make_unfit
from rich.console import Console

from tfx_tpu_estimator.cli.compile_progress import CompileProgress
from tfx_tpu_estimator.compile_check.events import Event, Stage


def event(stage, **values):
    return Event(stage=stage, program="train", topology="v5e:2x2", index=1, count=2, **values)


def show(*events, terminal=False):
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=120, color_system=None)
    with CompileProgress(console=console) as progress:
        progress.say("Loading")
        for each in events:
            progress(each)
    return file.getvalue()


def test_a_line_for_each_change():
    text = show(
        event(Stage.LOWERING),
        event(Stage.WAITING),
        event(Stage.WAITING, seconds=29, holder="process 7 (`x`), compiling since 13:40:02 UTC"),
        event(Stage.WAITING, seconds=30, holder="process 7 (`x`), compiling since 13:40:02 UTC"),
        event(Stage.COMPILING, per_core_batch=8),
        event(Stage.COMPILING, per_core_batch=16, searching=True),
        event(Stage.DONE, report=make_program()),
    )
    assert text.splitlines() == [
        "Loading",
        "[1/2] train on v5e:2x2: lowering",
        "[1/2] train on v5e:2x2: waiting for another process that compiles",
        "[1/2] train on v5e:2x2: waiting for process 7 (`x`), compiling since 13:40:02 UTC; 30.0 s",
        "[1/2] train on v5e:2x2: compiling batch 8 per core",
        "[1/2] train on v5e:2x2: looking for the largest batch: compiling batch 16 per core",
        "[1/2] train on v5e:2x2: fits, 1.87 GiB of 15.75 GiB per core (12%), compiled in 102 s, "
        "3.22 GiB of memory",
    ]


def test_a_sign_of_life_every_half_minute():
    ticks = [
        event(Stage.COMPILING, per_core_batch=8, seconds=s / 4, memory_bytes=1 << 30)
        for s in range(4 * 65)
    ]
    lines = show(*ticks).splitlines()
    assert len(lines) == 4  # the first word, the start, two signs of life
    assert lines[-1].endswith("compiling batch 8 per core, 60.0 s, 1.00 GiB of memory")


def test_a_terminal_has_a_line_that_changes_and_results_that_stay():
    text = show(
        event(Stage.COMPILING, per_core_batch=8),
        event(Stage.DONE, report=make_unfit("train", "refused", "no")),
        terminal=True,
    )
    assert "[1/2] train on v5e:2x2: cannot run\n" in text
    assert "\x1b[?25h" in text  # the cursor is back
