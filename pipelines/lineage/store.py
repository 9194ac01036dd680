"""The interface through which lineage is read; ML Metadata is one implementation of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol


@dataclasses.dataclass(frozen=True, kw_only=True)
class Artifact:
    """Something a run has used or made.

    Attributes:
        id: Its number in the store.
        type: Name of its type, such as "Model".
        uri: Where it is.
        properties: Properties that its type declares.
        custom_properties: All others.
    """

    id: int
    type: str
    uri: str
    properties: Mapping[str, Any]
    custom_properties: Mapping[str, Any]

    def get(self, key: str) -> Any:
        """Returns a property of either kind; None where there is none."""
        return self.custom_properties.get(key, self.properties.get(key))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Execution:
    """One run of a component.

    Attributes:
        id: Its number in the store.
        type: Full class path of the component.
        node: Its name in the pipeline.
        pipeline: Name of the pipeline.
        run: Name of the pipeline's run.
        state: Such as "COMPLETE" or "FAILED".
        properties: Its parameters.
        time: When it was last changed, in milliseconds since 1970.
    """

    id: int
    type: str
    node: str
    pipeline: str
    run: str
    state: str
    properties: Mapping[str, Any]
    time: int


Named = tuple[str, Artifact]


class LineageStore(Protocol):
    """What can be asked about artifacts and executions; all of it only reads."""

    def get_artifact(self, artifact_id: int) -> Artifact | None:
        """Returns an artifact; None where there is none of that number."""
        ...

    def list_artifacts(self, type_name: str) -> Sequence[Artifact]:
        """Returns all artifacts of a type, oldest first."""
        ...

    def get_producer(self, artifact_id: int) -> Execution | None:
        """Returns the execution that made an artifact; None where it is not known."""
        ...

    def get_consumers(self, artifact_id: int) -> Sequence[Execution]:
        """Returns the executions that used an artifact, oldest first."""
        ...

    def get_inputs(self, execution_id: int) -> Sequence[Named]:
        """Returns what an execution used, by the name of the input."""
        ...

    def get_outputs(self, execution_id: int) -> Sequence[Named]:
        """Returns what an execution made, by the name of the output."""
        ...
