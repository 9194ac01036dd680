"""Runs a pipeline on this machine with TFX's LocalDagRunner, and says how far it is."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Sequence
from typing import Any

from tfx.orchestration import pipeline as tfx_pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner

from .node_ids import check_node_ids

_logger = logging.getLogger("tfx_tpu_estimator.pipelines")

# What LocalDagRunner logs around each node; it has no other way to follow a run. If a later TFX
# words it differently, only the lines about nodes are lost.
_RUNNING = "Component %s is running."
_FINISHED = "Component %s is finished."
# What TFX says when a partial run finds no outputs of the nodes before it.
_NOTHING_EARLIER = re.compile("not found in MLMD|No previous (run|successful executions)")


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
      ValueError: There is no node of that id, or no run to take earlier nodes from.
      Exception: Whatever the failing node raised; its execution is marked failed in ML Metadata.

    Example:
      run_local(create_pipeline(config))
      run_local(create_pipeline(config), from_nodes=["Evaluator"])
    """
    part = check_part(pipeline, from_nodes, to_nodes)
    options = None
    if from_nodes or to_nodes:
        options = tfx_pipeline.RunOptions(from_nodes=from_nodes, to_nodes=to_nodes)
    reporter = _NodeReporter(len(part))
    tfx_logger = logging.getLogger("absl")
    level = tfx_logger.level
    tfx_logger.addHandler(reporter)
    if tfx_logger.getEffectiveLevel() > logging.INFO:
        tfx_logger.setLevel(logging.INFO)
    try:
        LocalDagRunner().run(pipeline, run_options=options)
    except LookupError as error:
        if from_nodes and _NOTHING_EARLIER.search(str(error)):
            raise ValueError(
                f"`from_nodes` {', '.join(from_nodes)}: the latest run has not all that these "
                f"nodes need ({error}). Run the pipeline up to there first."
            ) from error
        raise
    finally:
        tfx_logger.removeHandler(reporter)
        tfx_logger.setLevel(level)


def check_part(
    pipeline: tfx_pipeline.Pipeline,
    from_nodes: Sequence[str] | None,
    to_nodes: Sequence[str] | None,
) -> list[str]:
    """Checks which part of a pipeline is to run; the arguments are those of `run_local`.

    Returns:
      Ids of its nodes, in order.

    Raises:
      ValueError: There is no node of that id; the message has the nearest. Or nothing is between.
    """
    components = {component.id: component for component in pipeline.components}
    for name, nodes in (("from_nodes", from_nodes), ("to_nodes", to_nodes)):
        check_node_ids(name, nodes or [], list(components), "node")
    after = _reach([components[node] for node in from_nodes or components], "downstream_nodes")
    before = _reach([components[node] for node in to_nodes or components], "upstream_nodes")
    if not after & before:
        raise ValueError(
            f"Nothing lies between `from_nodes` {', '.join(from_nodes or ())} and `to_nodes` "
            f"{', '.join(to_nodes or ())}. The order is: {', '.join(components)}."
        )
    return [node for node in components if node in after & before]


def _reach(nodes: Sequence[Any], direction: str) -> set[str]:
    """Returns the ids of nodes and of all that come after, or before, them."""
    waiting, found = list(nodes), set()
    while waiting:
        node = waiting.pop()
        if node.id not in found:
            found.add(node.id)
            waiting += getattr(node, direction)
    return found
