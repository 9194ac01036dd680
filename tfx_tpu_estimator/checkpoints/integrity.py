"""Finds the latest checkpoint that can be read whole.

What is verified: the index with all its checksums, that every data file is there with the size the
index needs, and then the checksum of every tensor, by reading each once. That is one sequential
read of the checkpoint, which the restore that follows finds in the page cache. A checkpoint found
whole is not read again by this process until one of its files changes.
"""

from __future__ import annotations

import logging
import os

import tensorflow as tf

from tfx_tpu_estimator.checkpoints.bundle_index import (
    BundleIndex,
    SlicedTensor,
    data_path,
    index_path,
    read_index,
)
from tfx_tpu_estimator.checkpoints.files import list_data_files
from tfx_tpu_estimator.checkpoints.state_file import (
    CheckpointState,
    read_state,
    scan_directory,
    state_path,
)
from tfx_tpu_estimator.errors import DataCorruptionError
from tfx_tpu_estimator.tensorflow_messages import first_line

_logger = logging.getLogger(__name__)

# {prefix: sizes and times of its files when every tensor of it was read without error}
_verified: dict[str, tuple] = {}


def find_problem(prefix: str, *, check_tensors: bool = True) -> str | None:
    """Says what is wrong with the checkpoint `prefix`; None where it is whole.

    Args:
      prefix: Path of the checkpoint without `.index`.
      check_tensors: Whether to verify the checksum of every tensor, which reads the data files
        once; else only the index and the sizes of the data files are verified.

    Returns:
      What is wrong, with the name of the file, or None.
    """
    try:
        index = read_index(prefix)
        signature = _check_files(prefix, index)
        if check_tensors and _verified.get(prefix) != signature:
            _check_tensors(prefix, index)
            _verified[prefix] = signature
    except DataCorruptionError as error:
        return str(error)
    return None


def validate_whole(prefix: str, what: str) -> None:
    """Checks that the checkpoint `prefix` can be read whole.

    Args:
      prefix: Path of the checkpoint without `.index`.
      what: The argument that named it, for the message.

    Raises:
      DataCorruptionError: It cannot; the message names the file.
    """
    problem = find_problem(prefix)
    if problem is not None:
        raise DataCorruptionError(
            f"`{what}` {prefix!r} is corrupt: {problem}. Give another checkpoint, or copy its "
            "files again."
        )


def find_latest_whole(model_dir: str) -> str | None:
    """Returns the prefix of the latest checkpoint of `model_dir` that can be read whole.

    Where the latest is corrupt, the one before it is used, with a warning that names both.
    Checkpoints whose files were all deleted do not count as corrupt. A state file `checkpoint` that
    cannot be understood is replaced by what lies in the directory, with a warning.

    Args:
      model_dir: The directory.

    Returns:
      The prefix, or None where there is no checkpoint at all.

    Raises:
      DataCorruptionError: There are checkpoints, and all are corrupt; the message names each.
    """
    problems: dict[str, str] = {}
    gone: list[str] = []
    for prefix in list_candidates(model_dir):
        if is_gone(prefix):
            gone.append(prefix)
            continue
        problem = find_problem(prefix)
        if problem is None:
            _warn_of_skipped(problems, gone, prefix)
            return prefix
        problems[prefix] = problem
    if problems:
        raise DataCorruptionError(
            f"All checkpoints of `model_dir` {model_dir!r} are corrupt: {_describe(problems)}. "
            "Bring one back from a copy, or choose another `model_dir` to start anew."
        )
    if gone:
        _logger.warning(
            "%s lists %s, whose files are gone: %r counts as a directory without a checkpoint.",
            state_path(model_dir),
            ", ".join(gone),
            model_dir,
        )
    return None


def list_candidates(model_dir: str) -> list[str]:
    """Returns the checkpoints of `model_dir`, the one to prefer first.

    That is the latest, those listed before it, those listed after it (someone went back on
    purpose), then those that only lie in the directory. Without a state file there is none.
    """
    try:
        state = read_state(model_dir)
    except DataCorruptionError as error:
        _logger.warning("%s. The checkpoints are taken from the directory instead.", error)
        return [c.prefix for c in reversed(scan_directory(model_dir))]
    if state is None:
        return []
    listed = _order(state)
    lying = [c.prefix for c in reversed(scan_directory(model_dir))]
    return [*listed, *(p for p in lying if p not in listed)]


def is_gone(prefix: str) -> bool:
    """Whether neither index nor data of the checkpoint exists."""
    return not tf.io.gfile.exists(index_path(prefix)) and not list_data_files(prefix)


def _order(state: CheckpointState) -> list[str]:
    prefixes = [c.prefix for c in state.kept]
    at = prefixes.index(state.latest) if state.latest in prefixes else len(prefixes)
    return [state.latest, *reversed(prefixes[:at]), *reversed(prefixes[at + 1 :])]


def _check_files(prefix: str, index: BundleIndex) -> tuple:
    """Returns sizes and times of all files; raises where a data file is missing or too short."""
    signature = [_stat(index_path(prefix))]
    for shard, needed in index.needed_bytes.items():
        path = data_path(prefix, shard, index.num_shards)
        try:
            signature.append(_stat(path))
        except tf.errors.NotFoundError:
            raise DataCorruptionError(f"{path} is missing") from None
        length = signature[-1][0]
        if length < needed:
            raise DataCorruptionError(f"{path} has {length} bytes where {needed} are needed")
    return tuple(signature)


def _check_tensors(prefix: str, index: BundleIndex) -> None:
    """Reads every tensor, one at a time; TensorFlow compares each with its checksum."""
    try:
        reader = tf.train.load_checkpoint(prefix)
        names = reader.get_variable_to_shape_map()
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        raise DataCorruptionError(
            f"{index_path(prefix)} is damaged ({first_line(error)})"
        ) from error
    for name in names:
        try:
            if name in index.sliced:
                _read_slices(prefix, name, index.sliced[name])
            else:
                reader.get_tensor(name)
        except (tf.errors.OpError, RuntimeError, ValueError) as error:
            raise DataCorruptionError(
                f"the data of `{name}` in {prefix}.data-* is damaged ({first_line(error)})"
            ) from error


def _read_slices(prefix: str, name: str, tensor: SlicedTensor) -> None:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        count = len(tensor.specs)
        slices = tf.raw_ops.RestoreV2(
            prefix=prefix,
            tensor_names=[name] * count,
            shape_and_slices=list(tensor.specs),
            dtypes=[tensor.dtype] * count,
        )
        session.run(slices)


def _stat(path: str) -> tuple[int, ...]:
    """Returns the size of a file, and what changes when it does."""
    try:
        local = os.stat(path)
    except OSError:
        # On another file system, or not there; this knows the time to the second only.
        stat = tf.io.gfile.stat(path)
        return stat.length, stat.mtime_nsec
    return local.st_size, local.st_mtime_ns, local.st_ino


def _warn_of_skipped(problems: dict[str, str], gone: list[str], used: str) -> None:
    if problems:
        _logger.warning("Using checkpoint %s, because %s.", used, _describe(problems))
    elif gone:
        _logger.warning("Using checkpoint %s: %s is gone.", used, ", ".join(gone))


def _describe(problems: dict[str, str]) -> str:
    return "; ".join(f"{prefix} is corrupt: {problem}" for prefix, problem in problems.items())
