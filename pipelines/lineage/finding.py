"""Finds the Model that a person means: by number, by place, or by its bytes."""

from __future__ import annotations

import os

from tfx.dsl.io import fileio

from tfx_tpu_estimator.components import constants
from tfx_tpu_estimator.components.digest import compute_model_digest

from .store import Artifact, LineageStore

_SERVING_DIR = "Format-Serving"
_STORE_NAMES = ("metadata.sqlite", "metadata.db")


class ModelNotFoundError(ValueError):
    """No Model of the store is what was asked for."""


def find_model(store: LineageStore, reference: str) -> Artifact:
    """Returns the Model artifact for a reference.

    Args:
        store: Where to look.
        reference: The number of a Model or of a PushedModel; or the place of a Model, of something
            in it, or of a pushed version; or any SavedModel with the bytes of a recorded one.

    Raises:
        ModelNotFoundError: If there is none; the message lists some that there are.

    Example:
        find_model(MetadataLineage("out/metadata.sqlite"), "out/pushed/1795264800")
    """
    if reference.isdigit():
        artifact = store.get_artifact(int(reference))
        found = _to_model(store, artifact) if artifact else None
    else:
        found = _find_by_place(store, reference) or _find_by_bytes(store, reference)
    if found is not None:
        return found
    models = store.list_artifacts("Model")
    known = ", ".join(f"{m.id} ({m.uri})" for m in models[-5:]) or "none"
    raise ModelNotFoundError(
        f"`MODEL` {reference} is no Model of this store: it is neither the number of one, nor the "
        f"place of one or of a pushed version, nor has it the bytes of one. The latest models "
        f"there: {known}.{_describe_versions(reference)}"
    )


def _describe_versions(reference: str) -> str:
    names = fileio.listdir(reference) if fileio.isdir(reference) else []
    versions = sorted((name for name in map(os.fsdecode, names) if name.isdigit()), key=int)
    return f" {reference} is a directory of {', '.join(versions)}: name one." if versions else ""


def find_store(reference: str) -> str | None:
    """Looks for the SQLite file of a pipeline above a model, and here; None where there is none."""
    folder = os.path.abspath(reference)
    places = [os.getcwd()]
    while folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
        places.append(folder)
    return next((path for place in places if (path := find_store_in(place))), None)


def find_store_in(folder: str) -> str | None:
    """Looks for the SQLite file of a pipeline in a directory; None where there is none."""
    paths = (os.path.join(folder, name) for name in _STORE_NAMES)
    return next((path for path in paths if os.path.isfile(path)), None)


def _to_model(store: LineageStore, artifact: Artifact) -> Artifact | None:
    if artifact.type == "Model":
        return artifact
    producer = store.get_producer(artifact.id)
    if producer is None:
        return None
    return next((a for key, a in store.get_inputs(producer.id) if a.type == "Model"), None)


def _find_by_place(store: LineageStore, reference: str) -> Artifact | None:
    wanted = _normalize(reference)
    for model in reversed(store.list_artifacts("Model")):
        place = _normalize(model.uri)
        if wanted == place or wanted.startswith(place + "/"):
            return model
    for pushed in reversed(store.list_artifacts("PushedModel")):
        places = [pushed.uri, str(pushed.get(constants.PUSHED_DESTINATION) or "")]
        if wanted in [_normalize(place) for place in places if place]:
            return _to_model(store, pushed)
    return None


def _find_by_bytes(store: LineageStore, reference: str) -> Artifact | None:
    for path in (reference, os.path.join(reference, _SERVING_DIR)):
        if not fileio.exists(os.path.join(path, constants.SAVED_MODEL_FILE)):
            continue
        digest = compute_model_digest(path)
        for model in reversed(store.list_artifacts("Model")):
            if model.get(constants.MODEL_DIGEST) == digest:
                return model
        for pushed in reversed(store.list_artifacts("PushedModel")):
            if digest in (pushed.get(constants.PUSHED_DIGEST), pushed.get(constants.MODEL_DIGEST)):
                return _to_model(store, pushed)
    return None


def _normalize(path: str) -> str:
    path = path.removeprefix("file://").rstrip("/")
    return path if "://" in path else os.path.abspath(path)
