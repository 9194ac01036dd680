"""Runs a pipeline on this machine with TFX's LocalDagRunner, and says how far it is."""

from __future__ import annotations

import logging
import time

from tfx.orchestration import pipeline as tfx_pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner

_logger = logging.getLogger("tfx_tpu_estimator.pipelines")

# What LocalDagRunner logs around each node; it has no other way to follow a run. If a later TFX
# words it differently, only the lines about nodes are lost.
_RUNNING = "Component %s is running."
_FINISHED = "Component %s is finished."


class _NodeReporter(logging.Handler):
    """Turns the runner's log records into one line per node."""

    def __init__(self, count: int):
        super().__init__(level=logging.INFO)
        self._count = count
        self._index = 0
        self._started = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg not in (_RUNNING, _FINISHED) or not isinstance(record.args, tuple):
            return
        (node,) = record.args
        if record.msg == _RUNNING:
            self._index += 1
            self._started = time.monotonic()
            _logger.info("[%d/%d] %s ...", self._index, self._count, node)
        else:
            seconds = time.monotonic() - self._started
            _logger.info("[%d/%d] %s done in %.1f s", self._index, self._count, node, seconds)


def run_local(pipeline: tfx_pipeline.Pipeline) -> None:
    """Runs `pipeline`; returns when every node is done.

    Progress goes to the logger `tfx_tpu_estimator.pipelines`.

    Args:
      pipeline: Of `create_pipeline`.

    Raises:
      Exception: Whatever the failing node raised; its execution is marked failed in ML Metadata.

    Example:
      run_local(create_pipeline(config))
    """
    reporter = _NodeReporter(len(pipeline.components))
    tfx_logger = logging.getLogger("absl")
    level = tfx_logger.level
    tfx_logger.addHandler(reporter)
    if tfx_logger.getEffectiveLevel() > logging.INFO:
        tfx_logger.setLevel(logging.INFO)
    try:
        LocalDagRunner().run(pipeline)
    finally:
        tfx_logger.removeHandler(reporter)
        tfx_logger.setLevel(level)
