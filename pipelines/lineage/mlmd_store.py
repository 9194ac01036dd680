"""Lineage from ML Metadata.

Edges are read by the events of artifacts and executions, which every version of ML Metadata has;
`filter_query` is not used, as some are built without what it needs.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import urllib.parse
from collections.abc import Sequence
from typing import Any

from ml_metadata import errors
from ml_metadata.proto import metadata_store_pb2

from ..metadata_store import connect, hide_password
from .store import Artifact, Execution, Named

_STATE = metadata_store_pb2.Execution.State
_EVENT = metadata_store_pb2.Event
_INPUTS = (_EVENT.INPUT, _EVENT.DECLARED_INPUT, _EVENT.INTERNAL_INPUT)
_OUTPUTS = (_EVENT.OUTPUT, _EVENT.DECLARED_OUTPUT, _EVENT.INTERNAL_OUTPUT)


class MetadataLineage:
    """Reads lineage from a store of ML Metadata.

    Example:
        MetadataLineage("out/metadata.sqlite").list_artifacts("Model")
    """

    def __init__(self, where: str):
        """Opens a store.

        Args:
            where: A SQLite file, or "postgresql://..." or "mysql://...", as in `PipelineConfig`.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file is no SQLite database, or one of something else.
            ConnectionError: If the server cannot be reached.
        """
        if "://" not in where:
            _check_sqlite(where)
        try:
            self._store = connect(where)
            self._types = {t.id: t.name for t in self._store.get_artifact_types()}
        except (errors.StatusError, RuntimeError) as error:
            raise ConnectionError(
                f"ML Metadata at {hide_password(where)} cannot be read: {error}"
            ) from error

    def get_artifact(self, artifact_id: int) -> Artifact | None:
        """See `LineageStore`."""
        found = self._store.get_artifacts_by_id([artifact_id])
        return self._to_artifact(found[0]) if found else None

    def list_artifacts(self, type_name: str) -> Sequence[Artifact]:
        """See `LineageStore`."""
        if type_name not in self._types.values():
            return []
        found = self._store.get_artifacts_by_type(type_name)
        return sorted((self._to_artifact(a) for a in found), key=lambda a: a.id)

    def get_producer(self, artifact_id: int) -> Execution | None:
        """See `LineageStore`; executions that took it from the cache did not make it."""
        found = self._get_executions(artifact_id, _OUTPUTS)
        made = [execution for execution in found if execution.state == "COMPLETE"]
        return (made or [*found, None])[0]

    def get_consumers(self, artifact_id: int) -> Sequence[Execution]:
        """See `LineageStore`."""
        return self._get_executions(artifact_id, _INPUTS)

    def get_inputs(self, execution_id: int) -> Sequence[Named]:
        """See `LineageStore`."""
        return self._get_artifacts(execution_id, _INPUTS)

    def get_outputs(self, execution_id: int) -> Sequence[Named]:
        """See `LineageStore`."""
        return self._get_artifacts(execution_id, _OUTPUTS)

    def _get_executions(self, artifact_id: int, kinds: tuple[int, ...]) -> list[Execution]:
        events = self._store.get_events_by_artifact_ids([artifact_id])
        ids = sorted({event.execution_id for event in events if event.type in kinds})
        found = {e.id: e for e in self._store.get_executions_by_id(ids)} if ids else {}
        return [self._to_execution(found[i]) for i in ids if i in found]

    def _get_artifacts(self, execution_id: int, kinds: tuple[int, ...]) -> list[Named]:
        events = [
            event
            for event in self._store.get_events_by_execution_ids([execution_id])
            if event.type in kinds
        ]
        ids = sorted({event.artifact_id for event in events})
        found = {a.id: a for a in self._store.get_artifacts_by_id(ids)} if ids else {}
        return [
            (_read_key(event), self._to_artifact(found[event.artifact_id]))
            for event in sorted(events, key=lambda event: (_read_key(event), event.artifact_id))
            if event.artifact_id in found
        ]

    def _to_artifact(self, artifact: Any) -> Artifact:
        return Artifact(
            id=artifact.id,
            type=self._types.get(artifact.type_id) or artifact.type,
            uri=artifact.uri,
            properties=_read_values(artifact.properties),
            custom_properties=_read_values(artifact.custom_properties),
        )

    def _to_execution(self, execution: Any) -> Execution:
        names = {c.type: c.name for c in self._store.get_contexts_by_execution(execution.id)}
        pipeline = names.get("pipeline", "")
        values = {**_read_values(execution.properties), **_read_values(execution.custom_properties)}
        # What TFX's launcher of Airflow 2 records: no context of the node, and None as a text.
        node = names.get("node", values.get("component_id") or execution.type)
        return Execution(
            id=execution.id,
            type=execution.type,
            node=node.removeprefix(f"{pipeline}."),
            pipeline=pipeline,
            run=names.get("pipeline_run", ""),
            state=_STATE.Name(execution.last_known_state),
            properties={key: value for key, value in values.items() if value != "None"},
            time=execution.last_update_time_since_epoch,
        )


def _check_sqlite(path: str) -> None:
    """Refuses a file that ML Metadata did not write; it would make its tables in any database."""
    wanted = "give the SQLite file of the pipeline, or postgresql://user@host/database."
    if not os.path.isfile(path):
        found = "is a directory" if os.path.isdir(path) else "does not exist"
        raise FileNotFoundError(f"`metadata` {path!r} {found}: {wanted}")
    address = f"file:{urllib.parse.quote(os.path.abspath(path))}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True)) as database:
            known = database.execute("SELECT name FROM sqlite_master WHERE name = 'MLMDEnv'")
            if known.fetchone() is None:
                raise ValueError(f"`metadata` {path!r} holds no ML Metadata: {wanted}")
    except sqlite3.DatabaseError as error:
        raise ValueError(
            f"`metadata` {path!r} cannot be read as a SQLite database ({error}): {wanted}"
        ) from error


def _read_key(event: Any) -> str:
    return next((step.key for step in event.path.steps if step.HasField("key")), "")


def _read_values(properties: Any) -> dict[str, Any]:
    values = {}
    for key, value in properties.items():
        kind = value.WhichOneof("value")
        if kind == "struct_value":
            # What has no type of its own in ML Metadata, a JSON value for example.
            values[key] = value.struct_value
        elif kind is not None:
            values[key] = getattr(value, kind)
    return values
