"""What of a command reaches the terminal."""

import subprocess
import sys

import pytest

CODE = """
import os
import click
from tfx_tpu_estimator.cli.program_session import Session

with Session("model.py", quiet=False, show_traceback=False) as session:
    session.begin(on_devices={on_devices})
    os.write(2, b"native\\n")
    print("of the module")
    session.say("told")
    click.echo("result", file=session.out)
    {end}
"""


@pytest.mark.parametrize(
    ("end", "last"), [("pass", "told"), ("raise ValueError('why')", "Error: why")]
)
@pytest.mark.parametrize("on_devices", [False, True])
def test_native_notes_stay_aside_while_devices_run(on_devices, end, last):
    code = CODE.format(on_devices=on_devices, end=end)
    command = f"import click\n@click.command()\ndef main():\n exec({code!r}, globals())\nmain()"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert done.stdout == "result\n"
    lines = done.stderr.splitlines()
    assert ("native" in lines) != on_devices
    assert [line for line in lines if line != "native"][:2] == ["of the module", "told"]
    assert lines[-1] == last
