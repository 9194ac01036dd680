"""Follows a model back to the data it came from, and forward to what became of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from .store import Artifact, Execution, LineageStore

# What evaluators call the model that another one is compared with.
_BASELINE = "baseline_model"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Origin:
    """An artifact, what made it, and out of what.

    Attributes:
        name: What the execution that used it called it; empty for the model itself.
        artifact: The artifact.
        execution: What made it; None where that is not known.
        inputs: What that used. Empty where the artifact was shown before.
        repeated: Whether it was shown before, with its inputs.
    """

    name: str
    artifact: Artifact
    execution: Execution | None
    inputs: Sequence[Origin] = ()
    repeated: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Returns it as plain data, with everything below it."""
        execution = None
        if self.execution is not None:
            execution = {**dataclasses.asdict(self.execution)}
            execution["properties"] = _make_plain(self.execution.properties)
        return {
            "name": self.name,
            "artifact": {
                "id": self.artifact.id,
                "type": self.artifact.type,
                "uri": self.artifact.uri,
                "properties": _make_plain(
                    {**self.artifact.properties, **self.artifact.custom_properties}
                ),
            },
            "execution": execution,
            "inputs": [origin.to_dict() for origin in self.inputs],
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What was made out of the model.

    Attributes:
        execution: What made it.
        artifact: What was made.
        inputs: Numbers of all artifacts that were used for it.
    """

    execution: Execution
    artifact: Artifact
    inputs: Sequence[int] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lineage:
    """Where a model came from and what became of it.

    Attributes:
        origin: The model, at the root of everything before it.
        results: Verdicts about it, and pushes.
    """

    origin: Origin
    results: Sequence[Result]

    def to_dict(self) -> dict[str, Any]:
        """Returns it as plain data."""
        return {
            "model": self.origin.to_dict(),
            "results": [
                {
                    "execution": result.execution.id,
                    "node": result.execution.node,
                    "id": result.artifact.id,
                    "type": result.artifact.type,
                    "uri": result.artifact.uri,
                    "properties": _make_plain(result.artifact.custom_properties),
                }
                for result in self.results
            ],
        }


def trace_model(store: LineageStore, model: Artifact) -> Lineage:
    """Follows a model back and forward.

    Args:
        store: Where to read.
        model: The Model artifact.

    Example:
        trace_model(store, find_model(store, "4")).to_dict()
    """
    results = []
    for execution in store.get_consumers(model.id):
        inputs = store.get_inputs(execution.id)
        # What is said of a later model has this one as its baseline only.
        if all(key == _BASELINE for key, used in inputs if used.id == model.id):
            continue
        ids = [used.id for _, used in inputs]
        results += [
            Result(execution=execution, artifact=artifact, inputs=ids)
            for _, artifact in store.get_outputs(execution.id)
            if artifact.get("current_model_id") in (None, model.id)
        ]
    seen: set[int] = set()
    unique = [r for r in results if not (r.artifact.id in seen or seen.add(r.artifact.id))]
    return Lineage(origin=_trace("", model, store, set()), results=unique)


def _trace(name: str, artifact: Artifact, store: LineageStore, seen: set[int]) -> Origin:
    execution = store.get_producer(artifact.id)
    if artifact.id in seen:
        return Origin(name=name, artifact=artifact, execution=execution, repeated=True)
    seen.add(artifact.id)
    used = store.get_inputs(execution.id) if execution is not None else []
    return Origin(
        name=name,
        artifact=artifact,
        execution=execution,
        inputs=[_trace(key, found, store, seen) for key, found in used],
    )


def _make_plain(values: Any) -> dict[str, Any]:
    return {
        key: value if isinstance(value, (str, int, float, bool)) else str(value)
        for key, value in values.items()
    }
