"""What a push puts into a version: the files of a model, or its {serve} metagraph alone."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping

from tfx.dsl.io import fileio

from ..constants import FINGERPRINT_FILE, SAVED_MODEL_FILE
from ..digest import combine_digests, compute_file_digests
from .serve_only import keep_serve_only
from .serving_dir import is_local

_CHUNK = 1 << 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Content:
    """Files to publish.

    Attributes:
        root: The SavedModel directory they come from.
        digests: SHA-256 of each file, by relative path.
        replaced: New contents of those that are not copied as they are.
        source_digest: Digest of the model at `root`.
    """

    root: str
    digests: Mapping[str, str]
    replaced: Mapping[str, bytes]
    source_digest: str

    @property
    def digest(self) -> str:
        """Digest of the published model: equal for equal graphs, variables and assets."""
        return combine_digests(self.digests, exclude=(FINGERPRINT_FILE,))


def read_content(model_path: str, *, serve_only: bool = False) -> Content:
    """Reads which files a push of a model consists of.

    Args:
        model_path: A SavedModel directory.
        serve_only: Whether all metagraphs but {serve} are left out.

    Raises:
        ValueError: If there is no SavedModel, or `serve_only` is set and it has no {serve}.
    """
    if not fileio.exists(os.path.join(model_path, SAVED_MODEL_FILE)):
        raise ValueError(f"there is no {SAVED_MODEL_FILE} in {model_path}: it is not a SavedModel.")
    digests = compute_file_digests(model_path)
    source_digest = combine_digests(digests, exclude=(FINGERPRINT_FILE,))
    replaced: dict[str, bytes] = {}
    if serve_only:
        graphs = keep_serve_only(model_path)
        replaced = {SAVED_MODEL_FILE: graphs}
        digests[SAVED_MODEL_FILE] = hashlib.sha256(graphs).hexdigest()
        # It describes the graphs that were left out, too.
        digests.pop(FINGERPRINT_FILE, None)
    return Content(root=model_path, digests=digests, replaced=replaced, source_digest=source_digest)


def write_content(content: Content, target: str) -> None:
    """Copies the files to a new directory and compares what is there with what was read.

    Args:
        content: The files.
        target: A directory; what is in it is replaced.

    Raises:
        OSError: If the copy differs from the model.
    """
    if fileio.exists(target):
        fileio.rmtree(target)
    fileio.makedirs(target)
    for name in sorted(content.digests):
        path = os.path.join(target, name)
        fileio.makedirs(os.path.dirname(path))
        with fileio.open(path, "wb") as file:
            if name in content.replaced:
                file.write(content.replaced[name])
            else:
                _copy_into(os.path.join(content.root, name), file)
    if is_local(target):
        _flush(target)
    verify_copy(content, target)


def verify_copy(content: Content, path: str, *, without: tuple[str, ...] = ()) -> None:
    """Checks that the files at `path` are those of `content`.

    Args:
        content: The files.
        path: A directory.
        without: Files of the top directory that are not there yet.

    Raises:
        OSError: If a file is missing, is one too many, or has other bytes.
    """
    found = compute_file_digests(path)
    wanted = {name: digest for name, digest in content.digests.items() if name not in without}
    if found == wanted:
        return
    names = sorted(n for n in {*found, *wanted} if found.get(n) != wanted.get(n))
    raise OSError(
        f"the copy of {content.root} at {path} differs from it in {', '.join(names[:5])}: the "
        "model was changed meanwhile, or the file system lost or changed data. Nothing was pushed."
    )


def _copy_into(source: str, file) -> None:
    with fileio.open(source, "rb") as opened:
        while chunk := opened.read(_CHUNK):
            file.write(chunk)


def _flush(folder: str) -> None:
    """Makes files and names durable, so that a power failure cannot leave a renamed half."""
    for parent, _, names in os.walk(folder):
        for path in (*(os.path.join(parent, name) for name in names), parent):
            flush_path(path)


def flush_path(path: str) -> None:
    """Makes a local file, or the names in a local directory, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
