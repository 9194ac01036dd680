"""How a training ended, kept in its model directory for the process that evaluates it."""

from __future__ import annotations

import dataclasses
import json
import logging
import os

import tensorflow as tf

from tfx_tpu_estimator.whole_files import write_file

_logger = logging.getLogger(__name__)

FILENAME = "train_and_evaluate.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunEnd:
    """A training that ended as it should: at its last step, or stopped early, or without input.

    Attributes:
      global_step: The step it ended at.
      max_steps: The step it was to end at; None for the end of the input.
      evaluated: Names of the directories of evaluations after which the final exports were made.
    """

    global_step: int
    max_steps: int | None
    evaluated: tuple[str, ...] = ()


def read_run_end(model_dir: str) -> RunEnd | None:
    """Returns how the training of a model directory ended; None where it goes on, or crashed.

    Args:
      model_dir: The directory; it need not exist.
    """
    path = os.path.join(model_dir, FILENAME)
    if not tf.io.gfile.exists(path):
        return None
    try:
        with tf.io.gfile.GFile(path, "r") as f:
            content = json.loads(f.read())
        return RunEnd(**{**content, "evaluated": tuple(content["evaluated"])})
    except tf.errors.NotFoundError:
        # The training has begun again.
        return None
    except (ValueError, TypeError, KeyError) as error:
        _logger.warning("%s is damaged and counts as if it were not there: %r", path, error)
        return None


def write_run_end(model_dir: str, end: RunEnd) -> None:
    """Says that a training has ended."""
    content = json.dumps(dataclasses.asdict(end)) + "\n"
    write_file(os.path.join(model_dir, FILENAME), content)


def remove_run_end(model_dir: str) -> None:
    """Says that a training goes on."""
    path = os.path.join(model_dir, FILENAME)
    if tf.io.gfile.exists(path):
        tf.io.gfile.remove(path)
