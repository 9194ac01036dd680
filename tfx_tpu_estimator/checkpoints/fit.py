"""Whether a checkpoint fits a model: names and shapes, compared before anything is restored."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.checkpoints.saved_tensors import list_restored_shapes

# Checkpoints of tf.train.Checkpoint hold this; their names are paths of objects, which a Saver
# translates itself.
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


class CheckpointMismatchError(ValueError, tf.errors.InvalidArgumentError):
    """A checkpoint lacks variables of the model, or has them in another shape.

    Programs that catch TensorFlow's error for it go on working.

    Args:
      message: Which variables, and both shapes.
    """

    def __init__(self, message: str):
        tf.errors.InvalidArgumentError.__init__(self, None, None, message)

    def __str__(self) -> str:
        return self.message


def validate_fits(checkpoint: str, variables: Mapping[str, Any], what: str) -> None:
    """Checks that `checkpoint` has every variable of a model in its shape.

    Variables that only the checkpoint has are no fault.

    Args:
      checkpoint: Prefix of the checkpoint.
      variables: {name in the checkpoint: shape}; unknown dimensions are None, and so is a shape
        that may be any.
      what: The model in words, for the message, such as "the model_fn in mode 'eval'".

    Raises:
      CheckpointMismatchError: A variable is missing (near names are listed), or its shape differs
        (both are given). It is a ValueError and a `tf.errors.InvalidArgumentError`.
    """
    saved = tf.train.load_checkpoint(checkpoint).get_variable_to_shape_map()
    missing = sorted(set(variables) - set(saved))
    if _OBJECT_GRAPH in saved and missing:
        return
    faults = [
        f"`{name}` has shape {saved[name]} in the checkpoint and "
        f"{tf.TensorShape(shape).as_list()} in the model"
        for name, shape in sorted(variables.items())
        if name in saved
        and shape is not None
        and not tf.TensorShape(shape).is_compatible_with(saved[name])
    ]
    faults += [f"`{name}` is not in the checkpoint{_near(name, saved)}" for name in missing]
    if faults:
        raise CheckpointMismatchError(
            f"Checkpoint {checkpoint} does not fit {what}: {'; '.join(faults)}. Use the model_fn "
            "and params it was trained with, or another `model_dir`; `warm_start_from` takes only "
            "the variables you name."
        )


class FitHook(tf.compat.v1.train.SessionRunHook):
    """Checks before a session restores a checkpoint that it fits what the saver restores.

    It must be the last hook: it builds the saver, and variables that a later hook made in `begin`
    would not be among those restored.

    Args:
      checkpoint: Prefix of the checkpoint that will be restored; None if there is nothing to check.
      scaffold: The Scaffold of the session, or None where the session makes its own.
      what: The model in words, for the message.
    """

    def __init__(
        self, checkpoint: str | None, scaffold: tf.compat.v1.train.Scaffold | None, what: str
    ):
        self._checkpoint = checkpoint
        self._scaffold = scaffold
        self._what = what

    def begin(self) -> None:
        """Builds the saver that the session will use and compares."""
        if self._checkpoint is None:
            return
        saver = find_saver(self._scaffold)
        if saver is None:
            saver = tf.compat.v1.train.Saver(sharded=True, allow_empty=True)
            tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.SAVERS, saver)
        saver.build()
        shapes = list_restored_shapes(saver, tf.compat.v1.get_default_graph())
        validate_fits(self._checkpoint, shapes, self._what)


def create_fit_hook(
    spec: Any, checkpoint: str | None, scaffold: tf.compat.v1.train.Scaffold | None = None
) -> FitHook:
    """Returns the hook for the model of an EstimatorSpec; it must be the last hook.

    Args:
      spec: What the model_fn returned, in its host form.
      checkpoint: Prefix of the checkpoint that will be restored, or None.
      scaffold: The session's, where it is not the one of `spec`.
    """
    return FitHook(checkpoint, scaffold or spec.scaffold, f"the model_fn in mode {spec.mode!r}")


def find_saver(scaffold: tf.compat.v1.train.Scaffold | None) -> Any:
    """Returns the saver a session would use: the scaffold's, the graph's, or None."""
    if scaffold is not None and scaffold.saver is not None:
        return scaffold.saver
    savers = tf.compat.v1.get_collection(tf.compat.v1.GraphKeys.SAVERS)
    return savers[0] if savers else None


def _near(name: str, saved: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, saved, n=3)
    return f" (near names: {near})" if near else ""
