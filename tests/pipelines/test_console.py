"""What reaches the terminal and what only the log file; each in a process of its own."""

import subprocess
import sys

CODE = """
import logging, sys
from tfx_tpu_estimator.pipelines import console
console.quiet_third_parties()
console.send_logs_to(sys.argv[1])
import warnings
warnings.warn("noise of a library", FutureWarning)
import os
os.write(2, b"noise of native code\\n")
logging.getLogger("absl").info("node runs")
logging.getLogger("tensorflow").warning("deprecated")
logging.getLogger("tfx_tpu_estimator.pipelines").info("[1/2] Trainer ...")
logging.getLogger("tfx_tpu_estimator.progress").info("train: 1/2 steps")
logging.getLogger("tfx_tpu_estimator.estimator").info("a detail")
logging.getLogger("tfx_tpu_estimator.estimator").warning("a warning")
"""


def test_only_our_own_lines_reach_the_terminal(tmp_path):
    log_file = tmp_path / "deep" / "run.log"
    result = subprocess.run(
        [sys.executable, "-c", CODE, str(log_file)], capture_output=True, text=True, check=True
    )
    assert result.stdout == ""
    assert result.stderr.splitlines() == ["[1/2] Trainer ...", "train: 1/2 steps", "a warning"]
    logged = log_file.read_text()
    for text in (
        "noise of native code",
        "node runs",
        "deprecated",
        "[1/2] Trainer ...",
        "a detail",
        "a warning",
    ):
        assert text in logged
