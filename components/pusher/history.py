"""What was pushed to a serving directory, for people."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from .records import Records, VersionRecord
from .serving_dir import list_versions, normalize_base


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """A version that is there, or was.

    Attributes:
        version: Its number.
        path: Its directory; None where it is gone.
        newest: Whether servers serve it.
        record: What is recorded of it; None where something else pushed it.
    """

    version: int
    path: str | None
    newest: bool
    record: VersionRecord | None

    @property
    def state(self) -> str:
        """`served`, `there`, `removed` by retention, or `gone` otherwise."""
        if self.path is not None:
            return "served" if self.newest else "there"
        return "removed" if self.record is not None and self.record.removed else "gone"

    def to_dict(self) -> dict[str, Any]:
        """Returns the entry as plain data."""
        record = dataclasses.asdict(self.record) if self.record else {}
        return {**record, "version": self.version, "path": self.path, "state": self.state}


def read_history(base: str) -> list[Entry]:
    """Lists all versions of a serving directory, newest first.

    Args:
        base: The serving directory; nothing is listed if it does not exist.

    Raises:
        ValueError: If a record cannot be read; the message names the file.

    Example:
        read_history("serving/taxi")[0].version
    """
    base = normalize_base(base)
    versions, records = list_versions(base), Records(base)
    newest = max(versions, default=None)
    return [
        Entry(
            version=version,
            path=os.path.join(base, versions[version]) if version in versions else None,
            newest=version == newest,
            record=records.get(version),
        )
        for version in sorted({*versions, *records.numbers}, reverse=True)
    ]
