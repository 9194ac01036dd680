"""Ctrl-C in any command."""

import builtins
import gc
import pathlib
import sys
import time

import click
import pytest
from click.testing import CliRunner

from tfx_tpu_estimator import cli
from tfx_tpu_estimator.cli import interruption

SOURCE = pathlib.Path(cli.__file__).read_text()


@pytest.mark.parametrize("name", ["doctor", "lineage", "push", "retrain"])
def test_an_interrupted_command_says_so_and_ends_with_130(name, monkeypatch):
    @click.command()
    def interrupted():
        click.echo("half a result", nl=False, err=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(cli._LazyGroup, "get_command", lambda self, ctx, given: interrupted)
    result = CliRunner().invoke(cli.main, [name])
    assert result.exit_code == 130
    assert result.stderr == "half a result\nInterrupted.\n"
    assert result.stdout == ""


def test_an_interruption_that_python_drops_comes_again(monkeypatch):
    """As in jax's callback of the garbage collector; of what else is dropped there Python tells."""
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda dropped: told.append(dropped.exc_type))
    raised = [KeyboardInterrupt(), ValueError("of a callback")]

    def callback(phase, info):
        if raised:
            raise raised.pop()

    def work():
        with interruption.kept_interruptions():
            gc.collect()
            while True:
                time.sleep(0.01)

    gc.callbacks.append(callback)
    try:
        with pytest.raises(KeyboardInterrupt):
            work()
    finally:
        gc.callbacks.remove(callback)
    assert told == [ValueError]


def test_an_interruption_before_any_command_is_loaded(monkeypatch, capsys):
    def interrupt(name, *_):
        if name == "click":
            raise KeyboardInterrupt
        return real(name, *_)

    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", interrupt)
    with pytest.raises(SystemExit) as ended:
        exec(compile(SOURCE, cli.__file__, "exec"), {"__name__": "another"})
    assert ended.value.code == 130
    assert capsys.readouterr().err == "\nInterrupted.\n"
