"""Which nodes of a TPU computation run together, where parts of it run on the host in between."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from tfx_tpu_estimator.lowering.node_references import producer

_ENTRIES = ("Enter", "RefEnter")
_EXITS = ("Exit", "RefExit")
OUTSIDE = "_xla_outside_compilation"


def find_stages(nodes: Mapping[str, Any], clusters: Mapping[str, str]) -> dict[str, int]:
    """Returns of each node of a TPU computation its stage.

    A node comes one stage after whatever of the same computation it needs by way of the host. The
    nodes of a loop of TensorFlow 1 stay together.

    Args:
      nodes: The graph.
      clusters: The computation of each node that is in one.

    Raises:
      ValueError: A part of a loop would run on the host.
    """
    stages = dict.fromkeys(clusters, 0)
    trips = sum(OUTSIDE in node.attr for node in nodes.values())
    if not trips:
        return stages
    order = _sort(nodes)
    loops = _find_loops(nodes, order)
    # Of a node outside a computation, the first stage of it that may need this node.
    first: dict[str, dict[str, int]] = defaultdict(dict)
    changed = True
    while changed:
        changed = False
        for name in order:
            least = _find_first(nodes[name], clusters, stages, first)
            own = clusters.get(name)
            if own is not None:
                together = [least.pop(own, 0), *(stages[n] for n in loops.get(name, ()))]
                changed |= max(together) > stages[name]
                stages[name] = max(stages[name], *together)
            changed |= first[name] != least
            first[name] = least
        if max(stages.values(), default=0) > trips:
            raise ValueError(
                "A part of a loop of a TPU computation runs on the host (outside_compilation); "
                "such a loop cannot be divided into programs."
            )
    return stages


def _find_first(
    node: Any,
    clusters: Mapping[str, str],
    stages: Mapping[str, int],
    first: Mapping[str, Mapping[str, int]],
) -> dict[str, int]:
    """Returns for each computation the first stage that may need `node`, or have it inside."""
    found: dict[str, int] = {}
    own = clusters.get(node.name)
    for source in map(producer, node.input):
        known = dict(first.get(source, {}))
        cluster = clusters.get(source)
        if cluster is not None:
            known[cluster] = stages[source] + (cluster != own)
        for name, stage in known.items():
            found[name] = max(found.get(name, 0), stage)
    return found


def _sort(nodes: Mapping[str, Any]) -> list[str]:
    """Returns the nodes so that each comes after what it needs; ways back in loops do not count."""
    order: list[str] = []
    state: dict[str, int] = {}
    for start in nodes:
        waiting = [start]
        while waiting:
            name = waiting[-1]
            if state.get(name) == 2 or name not in nodes:
                waiting.pop()
                continue
            if state.get(name) == 1:
                state[name] = 2
                order.append(name)
                waiting.pop()
                continue
            state[name] = 1
            sources = [producer(i) for i in nodes[name].input]
            waiting.extend(
                s for s in sources
                if s in nodes and state.get(s) is None and nodes[s].op != "NextIteration"
            )  # fmt: skip
    return order


def _find_loops(nodes: Mapping[str, Any], order: list[str]) -> dict[str, list[str]]:
    """Returns of each node in a loop of TensorFlow 1 the nodes of the outermost one around it."""
    frames: dict[str, tuple[str, ...]] = {}
    for name in order:
        node = nodes[name]
        around = [_frame_behind(nodes, frames, producer(i)) for i in node.input]
        inner = max(around, key=len, default=())
        if node.op in _ENTRIES:
            inner = (*inner, node.attr["frame_name"].s.decode())
        frames[name] = inner
    groups: dict[str, list[str]] = defaultdict(list)
    for name, frame in frames.items():
        if frame:
            groups[frame[0]].append(name)
    return {name: groups[frame[0]] for name, frame in frames.items() if frame}


def _frame_behind(
    nodes: Mapping[str, Any], frames: Mapping[str, tuple[str, ...]], name: str
) -> tuple[str, ...]:
    """Returns the loops around what reads the node `name`."""
    frame = frames.get(name, ())
    return frame[:-1] if name in nodes and nodes[name].op in _EXITS else frame
