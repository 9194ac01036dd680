"""Goes back to an earlier version of a serving directory, by a new version with its content."""

from __future__ import annotations

import dataclasses
import os

from ..properties import join_tag_sets
from ..saved_model import list_tag_sets
from .content import read_content
from .lock import hold_serving_dir
from .publish import choose_version, remove_leftovers
from .records import Records, VersionRecord, now
from .serving_dir import list_versions, normalize_base
from .versions import digest_version, publish_recorded


class RollbackError(ValueError):
    """There is no version to go back to, or it is not what was pushed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RolledBack:
    """A rollback.

    Attributes:
        path: Directory of the new version.
        version: Its number; servers take it because it is the largest.
        rolled_back_from: The version that was the newest.
        rolled_back_to: The version whose content the new one has.
        digest: Digest of that content.
        already_newest: True where the newest version has that content and nothing was done.
    """

    path: str
    version: int
    rolled_back_from: int
    rolled_back_to: int
    digest: str
    already_newest: bool = False


def roll_back(base: str, to: int | None = None, *, lock_timeout_secs: float = 600.0) -> RolledBack:
    """Publishes the content of an earlier version under a new, larger number.

    Servers take the largest number, and numbers never return, so going back is going forward with
    old content. No version is removed.

    Args:
        base: The serving directory.
        to: The version to go back to; default: the one that was served before what the newest
            version holds. So a second rollback goes back one more.
        lock_timeout_secs: How long to wait for a push that is under way, in seconds.

    Raises:
        RollbackError: If there is no such version, or its files are not those that were pushed.
        TimeoutError: If a push goes on for too long.
        OSError: If the copy fails; nothing of it remains.

    Example:
        roll_back("serving/taxi")
    """
    base = normalize_base(base)
    if not list_versions(base):
        raise RollbackError(f"{base} has no versions: there is nothing to roll back.")
    with hold_serving_dir(base, lock_timeout_secs):
        remove_leftovers(base)
        records, versions = Records(base), list_versions(base)
        newest = max(versions)
        target = _choose_target(base, to, versions, records)
        digest = _check_unchanged(base, versions[target], records.get(target))
        if digest_version(base, versions[newest]) == digest:
            return RolledBack(
                path=os.path.join(base, versions[newest]),
                version=newest,
                rolled_back_from=newest,
                rolled_back_to=target,
                digest=digest,
                already_newest=True,
            )
        path = os.path.join(base, versions[target])
        record = VersionRecord(
            version=choose_version(base, records),
            kind="rollback",
            digest=digest,
            source=path,
            source_digest=digest,
            tag_sets=join_tag_sets(list_tag_sets(path)),
            previous_version=newest,
            rolled_back_to=target,
            time=now(),
        )
        return RolledBack(
            path=publish_recorded(read_content(path), base, record),
            version=record.version,
            rolled_back_from=newest,
            rolled_back_to=target,
            digest=digest,
        )


def _choose_target(base: str, to: int | None, versions: dict[int, str], records: Records) -> int:
    if to is not None:
        if to not in versions:
            raise RollbackError(_describe_missing(base, to, versions, records))
        return to
    served = _find_origin(max(versions), records)
    current = records.get(served)
    # What is there before it, skipping the same content under another number, and rollbacks.
    for version in reversed(versions):
        record = records.get(version)
        if version >= served or (record is not None and record.kind == "rollback"):
            continue
        if record is None or current is None or record.digest != current.digest:
            return version
    raise RollbackError(
        f"{base} has no version before {served}, whose content the newest version holds: there is "
        f"nothing to roll back to. Versions there: {_join(versions)}; choose one with --to."
    )


def _find_origin(version: int, records: Records) -> int:
    """Returns the version that was pushed with the content of this one."""
    seen: set[int] = set()
    while version not in seen:
        seen.add(version)
        record = records.get(version)
        if record is None or record.rolled_back_to is None:
            break
        version = record.rolled_back_to
    return version


def _check_unchanged(base: str, name: str, record: VersionRecord | None) -> str:
    path = os.path.join(base, name)
    digest = digest_version(base, name)
    if digest is None:
        raise RollbackError(f"{path} holds no model: choose another version with --to.")
    if record is not None and record.digest != digest:
        raise RollbackError(
            f"the files of {path} are not those that were pushed at {record.time} (digest "
            f"{digest[:12]}, recorded {record.digest[:12]}): choose another version with --to."
        )
    return digest


def _describe_missing(base: str, to: int, versions: dict[int, str], records: Records) -> str:
    why = ""
    record = records.get(to)
    if record is not None:
        removed = record.removed
        why = f"; it was removed at {removed}" if removed else "; it was removed or never finished"
    return f"{base} has no version {to}{why}. Versions there: {_join(versions)}."


def _join(versions: dict[int, str]) -> str:
    return ", ".join(str(version) for version in versions)
