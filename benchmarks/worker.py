"""A process that holds one contender and runs its rounds when told to.

Reads a line of JSON per round from stdin, {"cell": name}, and writes one to stdout.
Started by run.py: `python worker.py CONTENDER DATA_DIR`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

CONTENDERS = ("host", "tpu1", "tpu2", "tpu4", "keras", "function", "jax", "old")


def make_contender(name: str, cell: Any, data_dir: str) -> Any:
    """Builds a contender for a cell.

    Args:
      name: One of `CONTENDERS`.
      cell: The cell.
      data_dir: Where its files are.
    """
    if name in ("keras", "function", "jax"):
        import loops

        kinds: dict[str, Callable] = {
            "keras": loops.KerasContender,
            "function": loops.FunctionContender,
            "jax": loops.JaxContender,
        }
        return kinds[name](cell, data_dir)
    import estimators

    if name == "old":
        return estimators.OldContender(cell, data_dir)
    devices = int(name[3:]) if name.startswith("tpu") else None
    return estimators.OurContender(cell, data_dir, use_tpu=devices is not None, devices=devices)


def main() -> None:
    """Runs rounds until stdin ends."""
    name, data_dir = sys.argv[1:]
    # What libraries print must not get between the results.
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    from cells import CELLS

    cells = {cell.name: cell for cell in CELLS}
    contender, current = None, None
    for line in sys.stdin:
        wanted = json.loads(line)["cell"]
        if wanted != current:
            if contender is not None:
                contender.close()
            contender, current = make_contender(name, cells[wanted], data_dir), wanted
        print(json.dumps(contender.run_round()), file=results, flush=True)
    if contender is not None:
        contender.close()


if __name__ == "__main__":
    main()
