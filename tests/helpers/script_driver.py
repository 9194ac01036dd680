"""Runs `tfx-tpu-estimator` several times with one import of TensorFlow: a child process for each.

Called as a script with the path of a JSON file: a list of {"args", "cwd", "out"}; the output and
the exit code of each go to `<out>.stdout`, `<out>.stderr` and `<out>.code`.
"""

import json
import os
import pathlib
import sys
import traceback

import tensorflow as tf  # noqa: F401  before the children, which share it

import tfx_tpu_estimator.compat.script  # noqa: F401
from tfx_tpu_estimator.cli import main


def run_child(run):
    for descriptor, suffix in ((1, "stdout"), (2, "stderr")):
        target = os.open(f"{run['out']}.{suffix}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(target, descriptor)
    os.chdir(run["cwd"])
    try:
        main(run["args"], prog_name="tfx-tpu-estimator")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 99
    return 0


def run_in_child(run):
    child = os.fork()
    if child == 0:
        code = run_child(run)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    status = os.waitpid(child, 0)[1]
    pathlib.Path(f"{run['out']}.code").write_text(str(os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    for each in json.loads(pathlib.Path(sys.argv[1]).read_text()):
        run_in_child(each)
