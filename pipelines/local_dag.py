"""Runs a pipeline on this machine with TFX's LocalDagRunner, and says how far it is."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from tfx.orchestration import pipeline as tfx_pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner

from .node_ids import check_node_ids

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


def run_local(
    pipeline: tfx_pipeline.Pipeline,
    *,
    from_nodes: Sequence[str] | None = None,
    to_nodes: Sequence[str] | None = None,
) -> None:
    """Runs `pipeline`, or a part of it; returns when every node is done.

    Progress goes to the logger `tfx_tpu_estimator.pipelines`. After a failure a second call goes on
    with the node that failed, if the pipeline has `enable_cache`.

    Args:
      pipeline: Of `create_pipeline`.
      from_nodes: Ids of the nodes to begin with; what lies before them is taken from the latest
        run. None to begin at the beginning.
      to_nodes: Ids of the nodes to end with. None to run to the end.

    Raises:
      ValueError: There is no node of that id.
      Exception: Whatever the failing node raised; its execution is marked failed in ML Metadata.

    Example:
      run_local(create_pipeline(config))
      run_local(create_pipeline(config), from_nodes=["Evaluator"])
    """
    ids = [component.id for component in pipeline.components]
    for name, nodes in (("from_nodes", from_nodes), ("to_nodes", to_nodes)):
        check_node_ids(name, nodes or [], ids, "node")
    options = None
    if from_nodes or to_nodes:
        options = tfx_pipeline.RunOptions(from_nodes=from_nodes, to_nodes=to_nodes)
    reporter = _NodeReporter(len(pipeline.components))
    tfx_logger = logging.getLogger("absl")
    level = tfx_logger.level
    tfx_logger.addHandler(reporter)
    if tfx_logger.getEffectiveLevel() > logging.INFO:
        tfx_logger.setLevel(logging.INFO)
    try:
        LocalDagRunner().run(pipeline, run_options=options)
    finally:
        tfx_logger.removeHandler(reporter)
        tfx_logger.setLevel(level)
