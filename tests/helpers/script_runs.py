"""Runs of the command line, several for one start of Python."""

import dataclasses
import json
import pathlib
import subprocess
import sys

DRIVER = pathlib.Path(__file__).parent / "script_driver.py"


@dataclasses.dataclass(frozen=True)
class CommandResult:
    """Exit code and output of one run."""

    code: int
    stdout: str
    stderr: str


def run_commands(folder, commands, cwd=None):
    """Runs `tfx-tpu-estimator` for each list of arguments and returns the results in order.

    Args:
        folder: A directory for the output.
        commands: Lists of arguments.
        cwd: Working directory of the runs; default `folder`.
    """
    runs = [
        {"args": [str(a) for a in args], "cwd": str(cwd or folder), "out": str(folder / f"run{i}")}
        for i, args in enumerate(commands)
    ]
    spec = folder / "runs.json"
    spec.write_text(json.dumps(runs))
    subprocess.run([sys.executable, str(DRIVER), str(spec)], check=True, capture_output=True)
    return [
        CommandResult(
            int(pathlib.Path(f"{run['out']}.code").read_text()),
            pathlib.Path(f"{run['out']}.stdout").read_text(),
            pathlib.Path(f"{run['out']}.stderr").read_text(),
        )
        for run in runs
    ]
