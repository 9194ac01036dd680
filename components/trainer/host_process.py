"""One of several processes on this machine that run the Trainer's executor together.

    python -m tfx_tpu_estimator.components.trainer.host_process ARGUMENTS.json

Who it is says its environment. It ends when its standard input does: with whoever has started it.
"""

from __future__ import annotations

import os
import sys
import threading

from tfx.utils import json_utils

from .executor import Executor

_ABANDONED = 143


def main(path: str) -> None:
    """Runs the executor with the arguments in a file.

    Args:
        path: JSON with `input_dict`, `output_dict` and `exec_properties`.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with open(path, encoding="utf-8") as file:
        arguments = json_utils.loads(file.read())
    Executor().Do(arguments["input_dict"], arguments["output_dict"], arguments["exec_properties"])


def _end_with_parent() -> None:
    # Nothing is ever written there. Python's own stdin would be in the way when the process ends.
    os.read(0, 1)
    os._exit(_ABANDONED)


if __name__ == "__main__":
    main(sys.argv[1])
