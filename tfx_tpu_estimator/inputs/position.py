"""How far an input was read: saved beside a checkpoint, so that a later run goes on from there.

The file `<checkpoint prefix>.input.json` is written before its checkpoint: a run that is killed
between the two leaves a position without checkpoint, which nobody reads, never the opposite.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.config.input_pipeline import InputPlan
from tfx_tpu_estimator.errors import DataCorruptionError
from tfx_tpu_estimator.whole_files import write_file

SUFFIX = ".input.json"
_FORMAT = 1
_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputPosition:
    """How many batches were taken from each call of the input_fn.

    All calls advance together, so one host knows the position of all.

    Attributes:
      pipeline: Name of the input configuration.
      batch_size: Examples of a full batch of one call; None if it is not known.
      batches: Batches taken, by index of the call.
      seed: The seed that the run had, which the order of shuffled examples depends on; None if
        it is not known.

    Example:
      >>> start = InputPosition(pipeline="PER_HOST_V2", batch_size=8, batches=(0,))
      >>> start.advance(10, gets_per_step=(4,)).batches
      (40,)
    """

    pipeline: str
    batch_size: int | None
    batches: tuple[int, ...]
    seed: int | None = None

    def advance(self, steps: int, gets_per_step: tuple[int, ...]) -> InputPosition:
        """Returns the position `steps` steps later."""
        moved = zip(self.batches, gets_per_step, strict=True)
        return dataclasses.replace(self, batches=tuple(b + steps * g for b, g in moved))


def start_position(plan: InputPlan, batch_size: int) -> InputPosition:
    """Returns the position of an input of which nothing was read.

    Args:
      plan: The calls of the input_fn.
      batch_size: params['batch_size'] of input_fn.
    """
    return InputPosition(
        pipeline=plan.pipeline.name, batch_size=batch_size, batches=(0,) * len(plan.calls)
    )


def start_host_position(batch_size: int | None) -> InputPosition:
    """Returns the start of the input of a training with `use_tpu=False`, which has one call.

    Args:
      batch_size: The global batch size, or None where the user gave none.
    """
    return InputPosition(pipeline="HOST", batch_size=batch_size, batches=(0,))


def resume_position(saved: InputPosition | None, start: InputPosition) -> InputPosition:
    """Fits a saved position to the calls of this run.

    Args:
      saved: What the checkpoint says, or None.
      start: The start of the input in this run.

    Returns:
      The saved position where nothing changed. Where the number of calls or the batch size did,
      the one after as many examples, with a warning if that is not exact.
    """
    if saved is None:
        return start
    same_calls = len(saved.batches) == len(start.batches)
    if same_calls and saved.batch_size == start.batch_size:
        return dataclasses.replace(start, batches=saved.batches)
    # A size that is not known is taken for the other one.
    before = saved.batch_size or start.batch_size or 1
    now = start.batch_size or before
    # With as many calls as before, each goes on in its own part of the data.
    examples = [count * before for count in saved.batches]
    if not same_calls:
        examples = [sum(examples) // len(start.batches)] * len(start.batches)
    known = saved.batch_size and start.batch_size
    if not same_calls or not known or any(count % now for count in examples):
        _logger.warning(
            "The input was read by %d call(s) of input_fn with batches of %s; now there are %d "
            "with batches of %s. It goes on after about as many examples, but not exactly there.",
            len(saved.batches),
            saved.batch_size or "an unknown size",
            len(start.batches),
            start.batch_size or "an unknown size",
        )
    return dataclasses.replace(start, batches=tuple(n // now for n in examples))


def encode_position(position: InputPosition) -> bytes:
    """Returns the content of a position's file."""
    return json.dumps({"format": _FORMAT, **dataclasses.asdict(position)}).encode()


def save_position(checkpoint: str, position: InputPosition) -> str:
    """Writes a position beside a checkpoint; call it before the checkpoint is written.

    Args:
      checkpoint: Prefix of the checkpoint.
      position: How far the input was read when the checkpoint's variables were taken.

    Returns:
      The path of the file, which is whole whenever it exists.
    """
    path = checkpoint + SUFFIX
    write_file(path, encode_position(position))
    return path


def read_position(checkpoint: str) -> InputPosition | None:
    """Reads the position that belongs to a checkpoint.

    Args:
      checkpoint: Prefix of the checkpoint.

    Returns:
      The position, or None where there is none: the input starts from its beginning.

    Raises:
      DataCorruptionError: The file cannot be read.
    """
    path = checkpoint + SUFFIX
    if not tf.io.gfile.exists(path):
        return None
    with tf.io.gfile.GFile(path) as file:
        text = file.read()
    try:
        return _parse(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise DataCorruptionError(
            f"{path} does not hold the position of an input: {error!r}. Delete it to start the "
            "input from its beginning, or resume from an earlier checkpoint."
        ) from error


def _parse(fields: dict[str, Any]) -> InputPosition:
    if fields["format"] != _FORMAT:
        raise ValueError(f"format {fields['format']!r}, expected {_FORMAT}")
    batches = tuple(int(count) for count in fields["batches"])
    size = None if fields["batch_size"] is None else int(fields["batch_size"])
    if (size is not None and size < 1) or not batches or min(batches) < 0:
        raise ValueError(f"batch size {size}, batches {batches}")
    seed = fields.get("seed")
    return InputPosition(
        pipeline=str(fields["pipeline"]),
        batch_size=size,
        batches=batches,
        seed=None if seed is None else int(seed),
    )


def remove_position(checkpoint: str) -> None:
    """Deletes the position that belongs to a checkpoint, if there is one.

    Args:
      checkpoint: Prefix of the checkpoint.
    """
    with contextlib.suppress(tf.errors.NotFoundError):  # or another process did it just now
        tf.io.gfile.remove(checkpoint + SUFFIX)


def remove_orphans(model_dir: str) -> None:
    """Deletes positions whose checkpoint is gone; not between `save_position` and its checkpoint.

    Args:
      model_dir: The directory of the checkpoints.
    """
    for path in tf.io.gfile.glob(os.path.join(model_dir, "*" + SUFFIX)):
        prefix = path.removesuffix(SUFFIX)
        # The first format of TensorFlow 1 has no index, but a file of just that name.
        if not tf.io.gfile.exists(prefix + ".index") and not tf.io.gfile.exists(prefix):
            tf.io.gfile.remove(path)
