"""The demo pipelines: real data, end to end, with a summary for people."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
import time
from typing import Any

from tfx_tpu_estimator.pipelines import console

_logger = logging.getLogger("tfx_tpu_estimator.pipelines")


def run_demo(
    name: str, output: str, *, train_steps: int | None = None, enable_cache: bool = True
) -> int:
    """Runs a demo pipeline and prints a summary.

    Args:
      name: "taxi" or "digits".
      output: Directory for everything it writes; `<output>/<name>` is used.
      train_steps: Steps to train; None for the example's own.
      enable_cache: Whether unchanged nodes are skipped.

    Returns:
      The exit code: 0, or 1 after an error, which has been printed.
    """
    directory = os.path.abspath(os.path.join(output, name))
    log_file = os.path.join(directory, "pipeline.log")
    console.send_logs_to(log_file)
    started = time.monotonic()
    _logger.info("Running the %s pipeline in %s (all log records: %s)", name, directory, log_file)
    _logger.info("Loading TensorFlow, TFX and Beam ...")
    try:
        report, config = _run(name, directory, train_steps, enable_cache)
    except Exception as error:
        _logger.debug("The pipeline failed.", exc_info=True)
        logging.getLogger("demo").error("The pipeline failed.", exc_info=error)
        print(f"\nThe pipeline failed: {error}\nSee {log_file}", file=sys.stderr)
        return 1
    from tfx_tpu_estimator.pipelines import summary

    print(summary.describe(report, config, seconds=time.monotonic() - started))
    return 0


def _run(name: str, directory: str, train_steps: int | None, enable_cache: bool) -> tuple[Any, Any]:
    from tfx_tpu_estimator.pipelines.local_dag import run_local
    from tfx_tpu_estimator.pipelines.pipeline import create_pipeline
    from tfx_tpu_estimator.pipelines.report import read_latest_run

    example = importlib.import_module(f"tfx_tpu_estimator.examples.{name}.demo_config")
    config = example.make_config(directory, train_steps=train_steps, enable_cache=enable_cache)
    run_local(create_pipeline(config))
    return read_latest_run(config.metadata_path, config.name), config
