"""Warm start: initial values of a new model taken from the checkpoint of another."""

from __future__ import annotations

import collections
import logging
import os
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.checkpoints.initial_values import ModelInitialValues
from tfx_tpu_estimator.checkpoints.integrity import find_latest_whole, validate_whole

_logger = logging.getLogger(__name__)

# How the rows (or columns) of a variable follow a vocabulary, and which one they followed before.
VocabInfo = tf.compat.v1.train.VocabInfo

_Base = collections.namedtuple(
    "WarmStartSettings",
    [
        "ckpt_to_initialize_from",
        "vars_to_warm_start",
        "var_name_to_vocab_info",
        "var_name_to_prev_var_name",
    ],
)


class WarmStartSettings(_Base):
    """What to take from which checkpoint when a model is trained for the first time.

    Args:
      ckpt_to_initialize_from: A checkpoint prefix, a directory with checkpoints, or a SavedModel
        directory.
      vars_to_warm_start: A regular expression (trainable variables whose names match), a list of
        them (any variables that match, slots of optimizers among them), a list of variables, or
        None for those of `var_name_to_vocab_info` alone. Default: all trainable variables.
      var_name_to_vocab_info: {variable name: `VocabInfo`} of matrices whose rows (axis 0) or
        columns (axis 1) follow a vocabulary that has changed.
      var_name_to_prev_var_name: {variable name: its name in the checkpoint}, where they differ.

    Raises:
      ValueError: `ckpt_to_initialize_from` is empty.

    Example:
      >>> WarmStartSettings("/models/old", vars_to_warm_start="dnn/.*").vars_to_warm_start
      'dnn/.*'
    """

    def __new__(
        cls,
        ckpt_to_initialize_from,
        vars_to_warm_start=".*",
        var_name_to_vocab_info=None,
        var_name_to_prev_var_name=None,
    ):
        if not ckpt_to_initialize_from:
            raise ValueError(
                "`ckpt_to_initialize_from` MUST be set in WarmStartSettings: a checkpoint or a "
                "SavedModel directory."
            )
        return super().__new__(
            cls,
            os.fspath(ckpt_to_initialize_from),
            vars_to_warm_start,
            var_name_to_vocab_info or {},
            var_name_to_prev_var_name or {},
        )


def resolve_warm_start(warm_start_from: Any) -> WarmStartSettings | None:
    """Returns settings whose checkpoint is a prefix that TensorFlow can read.

    Args:
      warm_start_from: None, a path, or `WarmStartSettings`.

    Raises:
      ValueError: It is of another type, or names nothing that holds a checkpoint.
      DataCorruptionError: The checkpoint it names is corrupt, or all of its directory are.
    """
    if warm_start_from is None:
        return None
    if isinstance(warm_start_from, str | bytes | os.PathLike):
        warm_start_from = WarmStartSettings(os.fsdecode(warm_start_from))
    if not isinstance(warm_start_from, WarmStartSettings):
        raise ValueError(
            "`warm_start_from` must be a path or a WarmStartSettings, got "
            f"{type(warm_start_from).__name__}."
        )
    path = warm_start_from.ckpt_to_initialize_from
    in_saved_model = os.path.join(path, "variables", "variables")
    for prefix in (in_saved_model, path):
        if tf.io.gfile.exists(prefix + ".index"):
            validate_whole(prefix, "warm_start_from")
            return warm_start_from._replace(ckpt_to_initialize_from=prefix)
    latest = find_latest_whole(path)
    if latest is not None:
        return warm_start_from._replace(ckpt_to_initialize_from=latest)
    raise ValueError(
        f"`warm_start_from` {path!r} holds no checkpoint: it is no checkpoint prefix, no directory "
        "with a `checkpoint` file and no SavedModel."
    )


def apply_warm_start(
    settings: WarmStartSettings | ModelInitialValues | None, checkpoint: str | None = None
) -> None:
    """Makes the variables of the default graph start from the checkpoint of `settings`.

    Args:
      settings: Of `resolve_warm_start`; None changes nothing, and ModelInitialValues only checks
        that the model_fn loads values by itself.
      checkpoint: What will be restored instead; then nothing is changed either.

    Raises:
      ValueError: A variable is not in the checkpoint, or has another shape there; a vocabulary is
        given for what is no matrix.
    """
    if settings is None or checkpoint is not None:
        return
    if isinstance(settings, ModelInitialValues):
        settings.validate()
        return
    _validate_vocabulary_variables(settings)
    _logger.info("Warm-starting with %s", settings)
    tf.compat.v1.train.warm_start(*settings)


def _validate_vocabulary_variables(settings: WarmStartSettings) -> None:
    shapes = {v.op.name: v.shape for v in tf.compat.v1.global_variables()}
    for name in settings.var_name_to_vocab_info:
        if name in shapes and shapes[name].rank != 2:
            raise ValueError(
                f"`var_name_to_vocab_info` names {name!r} of shape {shapes[name]}, and only the "
                "rows and columns of a matrix can follow a vocabulary. Leave it out there, and out "
                "of `vars_to_warm_start` if its size has changed."
            )
