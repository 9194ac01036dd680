"""TFX artifacts on a temporary directory, as a runner would hand them to an executor."""

from __future__ import annotations

import itertools
import pathlib

from tfx.types import artifact_utils, standard_artifacts

_ids = itertools.count(1)


def make_artifact(kind, uri: pathlib.Path, **custom):
    """Makes an artifact with an id at `uri`, which is made, and the custom properties given."""
    artifact = kind()
    artifact.uri = str(uri)
    artifact.id = next(_ids)
    uri.mkdir(parents=True, exist_ok=True)
    for key, value in custom.items():
        if isinstance(value, int):
            artifact.set_int_custom_property(key, value)
        else:
            artifact.set_string_custom_property(key, value)
    return artifact


def make_examples(
    uri: pathlib.Path,
    splits,
    payload_format: str = "FORMAT_TF_EXAMPLE",
    file_format: str = "tfrecords_gzip",
):
    """Makes an Examples artifact with the directories of `splits`."""
    artifact = make_artifact(
        standard_artifacts.Examples, uri, payload_format=payload_format, file_format=file_format
    )
    artifact.split_names = artifact_utils.encode_split_names(list(splits))
    for split in splits:
        (uri / f"Split-{split}").mkdir(exist_ok=True)
    return artifact


def make_output(kind, node: pathlib.Path, key: str, execution: int = 1):
    """Makes an output artifact where LocalDagRunner would place it."""
    return make_artifact(kind, node / key / str(execution))


def make_input(kind, uri: pathlib.Path, name: str, text: str):
    """Makes an artifact that holds one text file, such as a Schema."""
    artifact = make_artifact(kind, uri)
    (uri / name).write_text(text)
    return artifact
