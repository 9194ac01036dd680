"""Runs the demo pipelines: real data, end to end, with a summary for people."""

from __future__ import annotations

import importlib
import logging
import os

from tfx_tpu_estimator.pipelines import console

_logger = logging.getLogger("tfx_tpu_estimator.pipelines")


def run_demo(
    name: str,
    output: str,
    *,
    train_steps: int | None = None,
    use_tpu: bool | None = None,
    enable_cache: bool = True,
) -> int:
    """Runs a demo pipeline and prints a summary.

    Args:
      name: "taxi" or "digits".
      output: Directory for everything it writes; `<output>/<name>` is used.
      train_steps: Steps to train; None for the example's own.
      use_tpu: Whether to run as one program on TPU cores or virtual ones; None for the example's
        own default.
      enable_cache: Whether unchanged nodes are skipped.

    Returns:
      The exit code: 0, or 1 after an error, which has been printed.
    """
    directory = os.path.abspath(os.path.join(output, name))
    log_file = os.path.join(directory, "pipeline.log")
    console.send_logs_to(log_file)
    _logger.info("Running the %s pipeline in %s (all log records: %s)", name, directory, log_file)
    _logger.info("Loading TensorFlow, TFX and Beam ...")
    # Only now: what a person waits for has been said.
    from tfx_tpu_estimator.pipelines.presentation import run_and_present

    example = importlib.import_module(f"tfx_tpu_estimator.examples.{name}.demo_config")
    config = example.make_config(
        directory, train_steps=train_steps, use_tpu=use_tpu, enable_cache=enable_cache
    )
    return run_and_present(config, log_file)
