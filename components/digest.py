"""SHA-256 digests of files, of directory trees, of models and of this package's code."""

from __future__ import annotations

import functools
import hashlib
import os
import pathlib
from collections.abc import Collection, Iterable, Iterator, Mapping

from tfx.dsl.io import fileio

import tfx_tpu_estimator
from tfx_tpu_estimator.version import __version__

from .constants import FINGERPRINT_FILE

_CHUNK = 1 << 20


def compute_file_digest(path: str) -> str:
    """Returns the SHA-256 of a file's contents, in hexadecimal."""
    digest = hashlib.sha256()
    with fileio.open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def compute_text_digest(texts: Mapping[str, str]) -> str:
    """Returns the SHA-256 over named texts; their order does not matter."""
    return _digest_pairs(
        (name, hashlib.sha256(text.encode()).hexdigest()) for name, text in texts.items()
    )


def compute_directory_digest(path: str, exclude: Collection[str] = ()) -> str:
    """Returns the SHA-256 over the relative paths and contents of all files below `path`.

    Args:
        path: A directory, on any file system TFX reads.
        exclude: Base names of files to leave out.

    Returns:
        64 hexadecimal digits.

    Raises:
        FileNotFoundError: If `path` is no directory.
    """
    return combine_digests(compute_file_digests(path, exclude))


def compute_file_digests(path: str, exclude: Collection[str] = ()) -> dict[str, str]:
    """Returns the SHA-256 of every file below `path`, by relative path.

    Args:
        path: A directory, on any file system TFX reads.
        exclude: Base names of files to leave out.

    Raises:
        FileNotFoundError: If `path` is no directory.
    """
    if not fileio.isdir(path):
        raise FileNotFoundError(f"`path` must be a directory, got {path!r}.")
    return {
        name: compute_file_digest(os.path.join(path, name))
        for name in list_files_below(path)
        if os.path.basename(name) not in exclude
    }


def combine_digests(digests: Mapping[str, str], exclude: Collection[str] = ()) -> str:
    """Returns the digest of a directory whose files have these digests.

    Args:
        digests: Digests of files by relative path.
        exclude: Base names of files to leave out.
    """
    return _digest_pairs(
        (name, digest) for name, digest in digests.items() if os.path.basename(name) not in exclude
    )


def compute_model_digest(path: str) -> str:
    """Returns the digest of a SavedModel: equal for equal graphs, variables and assets.

    `fingerprint.pb` is left out: it is derived from the other files.
    """
    return compute_directory_digest(path, exclude=(FINGERPRINT_FILE,))


def list_files_below(path: str) -> list[str]:
    """Returns the sorted relative paths of all files below `path`."""
    root = path.rstrip("/")
    found = []
    for folder, _, names in fileio.walk(root):
        relative = os.path.relpath(os.fsdecode(folder), root)
        found += [os.path.normpath(os.path.join(relative, os.fsdecode(name))) for name in names]
    return sorted(found)


@functools.lru_cache(maxsize=1)
def code_digest() -> str:
    """Returns this package's version and a digest of its runtime and component code.

    TFX's cache key has no trace of an executor's code, so this value travels as an exec
    property: a changed package makes a component run again. The wiring in `pipelines` does
    not change what a component does and is left out.
    """
    pairs: dict[str, str] = {}
    for root, prefix in _list_code_roots():
        for file in root.rglob("*.py"):
            name = prefix + file.relative_to(root).as_posix()
            if not name.startswith("pipelines/"):
                pairs[name] = hashlib.sha256(file.read_bytes()).hexdigest()
    return f"{__version__}+{_digest_pairs(pairs.items())[:16]}"


def _list_code_roots() -> Iterator[tuple[pathlib.Path, str]]:
    # In a wheel the second folder lies inside the first; in a checkout it stands beside it.
    yield pathlib.Path(next(iter(tfx_tpu_estimator.__path__))), ""
    yield pathlib.Path(__file__).parent, "components/"


def _digest_pairs(pairs: Iterable[tuple[str, str]]) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(pairs):
        # NUL cannot be part of a path, so no two trees share this encoding.
        digest.update(f"{name}\0{value}\n".encode())
    return digest.hexdigest()
