"""Resolves the splits of Examples artifacts to files, with all checks before any work."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

from tfx import types
from tfx.components.util import examples_utils
from tfx.types import artifact_utils
from tfx.utils import io_utils

from tfx_tpu_estimator.errors import EmptySplitError
from tfx_tpu_estimator.inputs import tfrecord
from tfx_tpu_estimator.suggestions import suggest

TF_EXAMPLE_FORMAT = "FORMAT_TF_EXAMPLE"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitFiles:
    """The files of one or more splits.

    Attributes:
        patterns: File patterns, one per artifact and split, each ending in `/*`.
        data_format: The `file_format` property of the examples, e.g. `tfrecords_gzip`; None
            where the artifact has none.
        payload_format: What a record holds, e.g. `FORMAT_TF_EXAMPLE`.
    """

    patterns: tuple[str, ...]
    data_format: str | None
    payload_format: str


def resolve_splits(
    examples: Sequence[types.Artifact], splits: Sequence[str], argument: str
) -> SplitFiles:
    """Finds the files of `splits` and checks that every split has at least one record.

    Args:
        examples: Examples artifacts; each must have all the splits.
        splits: Names of splits.
        argument: Name of the argument that asked for them, for error messages.

    Raises:
        ValueError: If a split is unknown, or artifacts differ in their format.
        EmptySplitError: If a split has no files or no records.
        DataCorruptionError: If the first record of a split cannot be read.
    """
    if not examples:
        raise ValueError("`examples` is empty: the component needs one Examples artifact or more.")
    data_format = _read_common(examples, "file_format", _read_file_format)
    payload_format = _read_common(
        examples, "payload_format", examples_utils.get_payload_format_string
    )
    if data_format is not None and not data_format.startswith("tfrecord"):
        raise ValueError(
            f"`examples` has the file format {data_format!r}; this component reads TFRecord files "
            "('tfrecords_gzip' or 'tfrecords')."
        )
    patterns = []
    for split in splits:
        _check_known(examples, split, argument)
        for uri in artifact_utils.get_split_uris(list(examples), split):
            _check_not_empty(uri, split, data_format)
            patterns.append(io_utils.all_files_pattern(uri))
    return SplitFiles(
        patterns=tuple(patterns), data_format=data_format, payload_format=payload_format
    )


def list_split_files(files: SplitFiles) -> list[str]:
    """Expands the patterns of `files`."""
    return tfrecord.list_files(list(files.patterns))


def resolve_compression(files: SplitFiles) -> str:
    """Returns the compression TensorFlow has to be told for `files`: 'GZIP' or ''."""
    return tfrecord.resolve_compression(files.data_format, list_split_files(files))


def verify_files(*splits: SplitFiles) -> None:
    """Reads all files of `splits` once, to their end.

    TensorFlow takes a gzip stream that was cut off between two records for a whole one, and would
    go on silently with the records that are left.

    Raises:
        DataCorruptionError: If a file is damaged or truncated; names file and record.
    """
    for split in splits:
        tfrecord.raise_if_corrupt(list_split_files(split), resolve_compression(split))


def check_tf_examples(files: SplitFiles, reason: str) -> None:
    """Checks that records are tf.Examples.

    Args:
        files: The files to be read.
        reason: Why they must be, completing "..., because <reason>".

    Raises:
        ValueError: If the payload format is another.
    """
    if files.payload_format != TF_EXAMPLE_FORMAT:
        raise ValueError(
            f"`examples` has the payload format {files.payload_format!r}, not "
            f"{TF_EXAMPLE_FORMAT!r}, which is needed because {reason}."
        )


def _read_file_format(artifact: types.Artifact) -> str | None:
    if artifact.has_custom_property("file_format"):
        return artifact.get_string_custom_property("file_format")
    return None


def _read_common(examples, name, read):
    values = {read(artifact) for artifact in examples}
    if len(values) > 1:
        raise ValueError(
            f"`examples` artifacts differ in their {name}: {sorted(map(str, values))}; "
            "all must have the same."
        )
    return values.pop()


def _check_known(examples: Sequence[types.Artifact], split: str, argument: str) -> None:
    for artifact in examples:
        known = artifact_utils.decode_split_names(artifact.split_names)
        if split not in known:
            raise ValueError(
                f"`{argument}` names the split {split!r}, which examples at {artifact.uri} do not "
                f"have; available: {', '.join(known) or 'none'}.{suggest(split, known)}"
            )


def _check_not_empty(uri: str, split: str, data_format: str | None) -> None:
    pattern = os.path.join(uri, "*")
    try:
        files = tfrecord.list_files([pattern])
    except (ValueError, OSError) as error:
        raise EmptySplitError(
            f"split {split!r} has no files at {uri}; write examples to it or choose another split."
        ) from error
    compression = tfrecord.resolve_compression(data_format, files)
    if tfrecord.count_records(files, compression, limit=1) == 0:
        raise EmptySplitError(
            f"split {split!r} at {uri} has no records; write examples to it or choose another "
            "split."
        )
