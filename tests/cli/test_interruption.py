"""Ctrl-C in any command."""

import click
import pytest
from click.testing import CliRunner

from tfx_tpu_estimator import cli


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
