"""The artifacts of local runs of a compiled pipeline, in one file."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Mapping
from typing import Any

from tfx_tpu_estimator.whole_files import write_local_file

# What TFX's compiler writes into a resolver.
_CLAUSE = re.compile(r'(schema_title|state|name|metadata\.(?P<key>\w+)\.(?P<kind>\w+))="?([^"]*)"?')


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoredArtifact:
    """An artifact that a step made.

    Attributes:
      name: Its resource name.
      title: Title of its type, such as "tfx.Model".
      uri: Where it is.
      metadata: Its properties; numbers are floats, as on a cluster.
    """

    name: str
    title: str
    uri: str
    metadata: Mapping[str, Any]


class ArtifactStore:
    """All artifacts of the runs below one directory, and which steps need not run again.

    Args:
      path: A JSON file; made when it is first written.
    """

    def __init__(self, path: str):
        self._path = path
        self._artifacts: list[StoredArtifact] = []
        self._cache: dict[str, dict[str, str]] = {}
        if os.path.exists(path):
            with open(path) as file:
                data = json.load(file)
            self._artifacts = [StoredArtifact(**entry) for entry in data["artifacts"]]
            self._cache = data["cache"]

    def new_name(self) -> str:
        """Returns the resource name of the next artifact."""
        number = len(self._artifacts) + 1
        return f"projects/local/locations/local/metadataStores/default/artifacts/{number}"

    def add(self, artifact: StoredArtifact) -> None:
        """Takes an artifact in."""
        self._artifacts.append(artifact)

    def get(self, name: str) -> StoredArtifact:
        """Returns the artifact of that resource name."""
        return next(artifact for artifact in self._artifacts if artifact.name == name)

    def find(self, query: str) -> StoredArtifact | None:
        """Returns the latest artifact that a resolver's query matches, or None.

        Args:
          query: Clauses joined by AND, of the forms that TFX's compiler writes.

        Raises:
          ValueError: A clause is of another form.
        """
        clauses = [_parse_clause(clause) for clause in query.split(" AND ")]
        for artifact in reversed(self._artifacts):
            if all(_matches(artifact, *clause) for clause in clauses):
                return artifact
        return None

    def find_cached(self, key: str) -> dict[str, StoredArtifact] | None:
        """Returns by output name what a step with the same inputs has made, if all is there."""
        names = self._cache.get(key)
        if names is None:
            return None
        found = {output: self.get(name) for output, name in names.items()}
        return found if all(os.path.exists(a.uri) for a in found.values()) else None

    def put_cached(self, key: str, outputs: Mapping[str, StoredArtifact]) -> None:
        """Remembers what a step has made from its inputs."""
        self._cache[key] = {output: artifact.name for output, artifact in outputs.items()}

    def save(self) -> None:
        """Writes the file."""
        data = {
            "artifacts": [dataclasses.asdict(artifact) for artifact in self._artifacts],
            "cache": self._cache,
        }
        write_local_file(self._path, json.dumps(data, indent=1))


def _parse_clause(clause: str) -> tuple[str, str | None, str]:
    match = _CLAUSE.fullmatch(clause.strip())
    if match is None:
        raise ValueError(f"A resolver asks for {clause!r}, which this local run cannot answer.")
    return match[1], match["key"], match[4]


def _matches(artifact: StoredArtifact, field: str, key: str | None, wanted: str) -> bool:
    if field == "state":
        return wanted == "LIVE"
    if field == "schema_title":
        return artifact.title == wanted
    if field == "name":
        return artifact.name == wanted
    value = artifact.metadata.get(key or "")
    if isinstance(value, int | float):
        return value == float(wanted)
    return value == wanted
