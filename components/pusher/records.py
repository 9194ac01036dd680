"""What is recorded of each version of a serving directory."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
from typing import Any

from tfx.dsl.io import fileio

from tfx_tpu_estimator.version import __version__

from .serving_dir import has_atomic_rename, list_names, locate

_FORMAT = 1
_SUFFIX = ".json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class VersionRecord:
    """One push, or one rollback.

    Attributes:
        version: Number of the version it made.
        kind: "push" or "rollback".
        digest: Digest of the model in it.
        source: Where the model was pushed from.
        source_digest: Digest of the model there; another one than `digest` with `serve_only`.
        tag_sets: Tags of its metagraphs, for example `serve;serve,tpu`.
        previous_version: The newest version before it; None where there was none.
        rolled_back_to: With a rollback, the version whose content this one has.
        time: When, in UTC, as ISO 8601.
        package_version: Version of this package.
        removed: When retention removed the version; None while it is there.
    """

    version: int
    kind: str
    digest: str
    source: str
    source_digest: str
    tag_sets: str
    previous_version: int | None
    rolled_back_to: int | None = None
    time: str = ""
    package_version: str = __version__
    removed: str | None = None


def now() -> str:
    """Returns the time in UTC, as ISO 8601 to the second."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def write_record(base: str, record: VersionRecord) -> None:
    """Writes the record of a version, whole or not at all."""
    path = locate(base, f"{record.version}{_SUFFIX}")
    text = json.dumps({"format": _FORMAT, **dataclasses.asdict(record)}, indent=2) + "\n"
    # An object appears in a store when it is complete; elsewhere a rename does that.
    aside = f"{path}.new" if has_atomic_rename(base) else path
    with fileio.open(aside, "w") as file:
        file.write(text)
    if aside != path:
        fileio.rename(aside, path, overwrite=True)


class Records:
    """The records of a serving directory, each read when it is asked for.

    Attributes:
        numbers: Every version that was ever recorded, also those that are gone, smallest first.
    """

    def __init__(self, base: str):
        self._base = base
        self._read: dict[int, VersionRecord] = {}
        stems = [n.removesuffix(_SUFFIX) for n in list_names(locate(base)) if n.endswith(_SUFFIX)]
        self.numbers = sorted(int(stem) for stem in stems if stem.isdigit())

    def get(self, version: int | None) -> VersionRecord | None:
        """Returns the record of a version; None where it has none.

        Raises:
            ValueError: If it cannot be read; the message names the file.
        """
        if version not in self.numbers:
            return None
        if version not in self._read:
            self._read[version] = _read_record(locate(self._base, f"{version}{_SUFFIX}"))
        return self._read[version]


def _read_record(path: str) -> VersionRecord:
    with fileio.open(path, "r") as file:
        text = file.read()
    try:
        values: dict[str, Any] = json.loads(text)
        written_in = values.pop("format")
        if written_in != _FORMAT:
            raise ValueError(f"format {written_in!r}, this release reads {_FORMAT}")
        return VersionRecord(**values)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{path} is no record of a pushed version: {error}. Restore the file, or remove it if "
            f"version {os.path.basename(path).removesuffix(_SUFFIX)} is not needed for a rollback."
        ) from error
