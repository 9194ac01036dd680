"""An artifact that is two inputs of one execution, which TFX cannot record under Airflow.

When the latest blessed model is the one to evaluate, it is the Evaluator's model and its baseline.
ML Metadata keeps one event of a kind for an artifact and an execution. TFX's other runners put both
inputs into the path of that event; this one writes two events, which ML Metadata refuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ml_metadata
from ml_metadata.proto import metadata_store_pb2

# A path names an input by a key and an index.
_STEPS = 2


def share_events(metadata: Any) -> None:
    """Has an open handle of ML Metadata write one event for such an artifact, and read two.

    Args:
      metadata: A `tfx.orchestration.metadata.Metadata` that is open; it is changed.
    """
    metadata._store = _Store(metadata.store)


class _Store:
    """A MetadataStore whose events may share an artifact."""

    def __init__(self, store: ml_metadata.MetadataStore):
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def put_execution(
        self, execution: Any, artifact_and_events: Sequence[Any], contexts: Sequence[Any]
    ) -> tuple[int, list[int], list[int]]:
        """Writes an execution; returns an id for each pair that was given."""
        pairs, places = _join(artifact_and_events)
        execution_id, artifact_ids, context_ids = self._store.put_execution(
            execution, pairs, contexts
        )
        return execution_id, [artifact_ids[place] for place in places], list(context_ids)

    def get_events_by_execution_ids(self, ids: Sequence[int]) -> list[metadata_store_pb2.Event]:
        """Reads events, one for each key and index."""
        events = self._store.get_events_by_execution_ids(ids)
        return [part for event in events for part in _split(event)]


def _join(given: Sequence[Any]) -> tuple[list[Any], list[int]]:
    """Returns pairs with one event per artifact, and for each given pair the place of its own."""
    pairs: list[Any] = []
    places: list[int] = []
    known: dict[tuple[int, int], int] = {}
    for pair in given:
        artifact, event = pair[0], pair[1] if len(pair) > 1 else None
        key = (artifact.id, event.type) if artifact.id and event is not None else None
        if key in known:
            pairs[known[key]][1].path.steps.extend(event.path.steps)
        else:
            if key is not None:
                known[key] = len(pairs)
                pair = (artifact, type(event).FromString(event.SerializeToString()))
            pairs.append(pair)
        places.append(known[key] if key is not None else len(pairs) - 1)
    return pairs, places


def _split(event: metadata_store_pb2.Event) -> list[metadata_store_pb2.Event]:
    steps = list(event.path.steps)
    if len(steps) <= _STEPS:
        return [event]
    parts = []
    for start in range(0, len(steps), _STEPS):
        part = metadata_store_pb2.Event()
        part.CopyFrom(event)
        del part.path.steps[:]
        part.path.steps.extend(steps[start : start + _STEPS])
        parts.append(part)
    return parts
