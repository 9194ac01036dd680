"""Models that need no checkpoint of their own: the model_fn itself loads trained values."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import tensorflow as tf

_logger = logging.getLogger(__name__)
# Ops between what is read from a checkpoint and the variable.
_PASSING = ("Identity", "Cast", "Reshape")


@dataclasses.dataclass(frozen=True)
class ModelInitialValues:
    """A start from what the model_fn's initialisers give, where those read a checkpoint.

    A program that only computes with a trained model calls `init_from_checkpoint` in its model_fn
    or scaffold_fn, and has nothing in its model_dir.

    Attributes:
      model_dir: The directory without a checkpoint, for the message.
    """

    model_dir: str

    def validate(self) -> None:
        """Checks that no trainable variable of the default graph would be random.

        Raises:
          ValueError: One would.
        """
        variables = tf.compat.v1.trainable_variables()
        untrained = [v.op.name for v in variables if not _reads_checkpoint(v)]
        if not variables or len(untrained) == len(variables):
            raise ValueError(
                f"Could not find trained model in model_dir: {self.model_dir}. Train it first, or "
                "give `checkpoint_path`."
            )
        if untrained:
            raise ValueError(
                f"Could not find trained model in model_dir: {self.model_dir}, and not every "
                f"variable starts from a checkpoint: {untrained} would be random. Train it first, "
                "give `checkpoint_path`, or name them in `init_from_checkpoint`."
            )
        _logger.info("All variables start from the checkpoint that the model_fn names.")


def _reads_checkpoint(variable: Any) -> bool:
    """Whether a variable's initialiser assigns what is read from a checkpoint."""
    if not hasattr(variable, "initializer") or not variable.initializer.inputs:
        return False
    source = variable.initializer.inputs[-1].op
    while source.type in _PASSING:
        source = source.inputs[0].op
    return source.type.startswith("Restore")
