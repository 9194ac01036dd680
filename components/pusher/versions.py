"""Publishes a model as a new numbered version of a serving directory."""

from __future__ import annotations

import dataclasses
import logging
import os

from tfx.dsl.io import fileio

from ..constants import FINGERPRINT_FILE, SAVED_MODEL_FILE
from ..digest import combine_digests, compute_file_digests
from ..properties import join_tag_sets
from ..saved_model import list_tag_sets
from .content import Content
from .lock import hold_serving_dir
from .options import PusherOptions
from .publish import choose_version, publish, remove_leftovers, remove_version
from .records import Records, VersionRecord, now, write_record
from .serving_dir import list_versions, normalize_base

_logger = logging.getLogger(__name__)


class RolledBackError(ValueError):
    """The model is one that the serving directory was rolled back from."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PushedVersion:
    """Where a model is served from.

    Attributes:
        path: Directory of the version.
        version: Its number.
        digest: Digest of the model in it.
        already_newest: True where the model was there before and nothing was copied.
        previous_version: The newest version before this one; None where there was none.
        removed: Versions that retention removed.
    """

    path: str
    version: int
    digest: str
    already_newest: bool
    previous_version: int | None
    removed: tuple[int, ...] = ()


def push_content(
    content: Content, base: str, options: PusherOptions, *, source: str | None = None
) -> PushedVersion:
    """Makes `content` the newest version of a serving directory, unless it already is that.

    Args:
        content: The files, from `read_content`.
        base: The serving directory; made if it does not exist.
        options: What to keep, how long to wait.
        source: Where the model comes from, to be recorded; default: the path it is read from.

    Returns:
        The version, new or found.

    Raises:
        RolledBackError: If it is a model that was rolled back and is not allowed again.
        TimeoutError: If another push goes on for too long.
        OSError: If the copy fails or differs from the model; nothing of it remains.
    """
    base = normalize_base(base)
    with hold_serving_dir(base, options.lock_timeout_secs):
        remove_leftovers(base)
        records = Records(base)
        versions = list_versions(base)
        newest = max(versions, default=None)
        if newest is not None and digest_version(base, versions[newest]) == content.digest:
            return _found(base, versions[newest], newest, records, content.digest)
        if not options.allow_rolled_back:
            _check_not_rolled_back(content.digest, newest, records)
        record = VersionRecord(
            version=choose_version(base, records),
            kind="push",
            digest=content.digest,
            source=source or content.root,
            source_digest=content.source_digest,
            tag_sets="serve" if content.replaced else join_tag_sets(list_tag_sets(content.root)),
            previous_version=newest,
            time=now(),
        )
        path = publish_recorded(content, base, record)
        return PushedVersion(
            path=path,
            version=record.version,
            digest=content.digest,
            already_newest=False,
            previous_version=newest,
            removed=remove_old_versions(base, options.keep_versions),
        )


def publish_recorded(content: Content, base: str, record: VersionRecord) -> str:
    """Records a version and publishes it; returns its path."""
    # Recorded first: a number must not come back even if this process ends right here.
    write_record(base, record)
    return publish(content, base, record.version)


def digest_version(base: str, name: str) -> str | None:
    """Returns the digest of the model in a version; None where it holds no model."""
    path = os.path.join(base, name)
    # Anything called by a number takes that number, but only a directory can be a model.
    if not fileio.isdir(path) or not fileio.exists(os.path.join(path, SAVED_MODEL_FILE)):
        return None
    return combine_digests(compute_file_digests(path), exclude=(FINGERPRINT_FILE,))


def remove_old_versions(base: str, keep: int | None) -> tuple[int, ...]:
    """Removes the smallest versions beyond `keep`; only such as have a record of a push.

    Returns:
        The versions that were removed.
    """
    if keep is None:
        return ()
    records = Records(base)
    versions = list_versions(base)
    removed = []
    for version in list(versions)[:-keep]:
        record = records.get(version)
        if record is not None:
            remove_version(base, versions[version])
            write_record(base, dataclasses.replace(record, removed=now()))
            _logger.info("Removed version %d of %s; %d are kept.", version, base, keep)
            removed.append(version)
    return tuple(removed)


def _found(base: str, name: str, version: int, records: Records, digest: str) -> PushedVersion:
    record = records.get(version)
    return PushedVersion(
        path=os.path.join(base, name),
        version=version,
        digest=digest,
        already_newest=True,
        previous_version=record.previous_version if record else None,
    )


def _check_not_rolled_back(digest: str, newest: int | None, records: Records) -> None:
    """Refuses what the latest rollbacks, with no push after them, went back from."""
    record = records.get(newest)
    while record is not None and record.kind == "rollback":
        left = records.get(record.previous_version)
        if left is not None and left.digest == digest:
            raise RolledBackError(
                f"this model is version {left.version}, from which version {record.version} "
                f"rolled back to {record.rolled_back_to} at {record.time}. Push another model, or "
                "allow it with `allow_rolled_back` (on the command line --allow-rolled-back)."
            )
        record = left
