"""Runs a pipeline for a person at a terminal: a summary at the end, or why it failed."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence

from . import summary
from .config import PipelineConfig
from .failure import describe_failure
from .local_dag import check_part, run_local
from .pipeline import create_pipeline
from .report import read_latest_run

# Not one of the loggers whose records reach the terminal: tracebacks belong into the log file.
_file_logger = logging.getLogger("pipelines.presentation")


def run_and_present(
    config: PipelineConfig,
    log_file: str,
    *,
    from_nodes: Sequence[str] | None = None,
    to_nodes: Sequence[str] | None = None,
) -> int:
    """Runs a pipeline on this machine and prints what came of it.

    Args:
      config: The pipeline.
      log_file: Where `console.send_logs_to` sends log records, for the message of a failure.
      from_nodes: Nodes to begin with; None for all.
      to_nodes: Nodes to end with; None for all.

    Returns:
      The exit code: 0, or 1 after a failure, whose traceback is in the log file; 2 if there is no
      node of such an id.
    """
    started = time.monotonic()
    try:
        pipeline = create_pipeline(config)
        try:
            check_part(pipeline, from_nodes, to_nodes)
        except ValueError as error:
            print(f"Error: {error}", file=sys.stderr)
            return 2
        run_local(pipeline, from_nodes=from_nodes, to_nodes=to_nodes)
        report = read_latest_run(config.metadata_path, config.name)
    except Exception as error:
        _file_logger.error("The pipeline failed.", exc_info=error)
        reason = describe_failure(error, config.module_file)
        print(f"\nThe pipeline failed: {reason}\nSee {log_file}", file=sys.stderr)
        return 1
    print(summary.describe(report, config, seconds=time.monotonic() - started))
    return 0
