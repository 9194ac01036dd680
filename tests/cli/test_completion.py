"""Completion of the command line in a shell, as click does it."""

import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete

from tfx_tpu_estimator.cli import main


def complete(args, incomplete):
    shell = ShellComplete(main, {}, "tfx-tpu-estimator", "_TFX_TPU_ESTIMATOR_COMPLETE")
    return [item.value for item in shell.get_completions(args, incomplete)]


@pytest.mark.parametrize(
    ("args", "incomplete", "expected"),
    [
        ([], "comp", ["compile"]),
        ([], "doc", ["doctor"]),
        ([], "--ver", ["--version"]),
        (["compile", "m.py"], "--train", ["--train-batch-size"]),
        (["compile", "m.py", "-t"], "v5", ["v5e:2x2", "v5p:2x2x1"]),
        (["compile", "m.py", "--output"], "", ["table", "json", "html"]),
        (["doctor", "--output"], "j", ["json"]),
    ],
)
def test_completions(args, incomplete, expected):
    assert complete(args, incomplete) == expected


def test_names_of_commands_load_nothing():
    code = (
        "import sys, os\n"
        "os.environ.update(_TFX_TPU_ESTIMATOR_COMPLETE='bash_complete', COMP_CWORD='1', "
        "COMP_WORDS='tfx-tpu-estimator c')\n"
        "from tfx_tpu_estimator.cli import main\n"
        "try: main(prog_name='tfx-tpu-estimator')\n"
        "except SystemExit: pass\n"
        "print([m for m in sys.modules if m.startswith('tfx_tpu_estimator.cli.')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["plain,check", "plain,compile", "[]"]
