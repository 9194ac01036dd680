"""When checkpoints are written during training, and how many are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.checkpoints.fit import find_saver
from tfx_tpu_estimator.checkpoints.state_file import list_kept
from tfx_tpu_estimator.config.run_arguments import validate_listeners_have_saver
from tfx_tpu_estimator.lowering.tf_internals import add_saving_listeners


def with_saver(scaffold: tf.compat.v1.train.Scaffold, config: Any) -> tf.compat.v1.train.Scaffold:
    """Returns `scaffold` with a saver that keeps what `config` says, unless it has its own."""
    if scaffold.saver is None and not tf.compat.v1.get_collection(tf.compat.v1.GraphKeys.SAVERS):
        saver = tf.compat.v1.train.Saver(
            sharded=True,
            # 0 and None both mean: keep all.
            max_to_keep=config.keep_checkpoint_max or 0,
            keep_checkpoint_every_n_hours=config.keep_checkpoint_every_n_hours,
            defer_build=True,
            save_relative_paths=True,
            allow_empty=True,
        )
        tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.SAVERS, saver)
        return tf.compat.v1.train.Scaffold(saver=saver, copy_from_scaffold=scaffold)
    return scaffold


def recover_kept(scaffold: tf.compat.v1.train.Scaffold, model_dir: str) -> None:
    """Lets the saver of `scaffold` count the checkpoints that earlier runs left in `model_dir`.

    A session that is told which checkpoint to restore does not do so itself.
    """
    kept, _ = list_kept(model_dir)
    saver = find_saver(scaffold)
    if saver is not None and kept:
        saver.recover_last_checkpoints([c.prefix for c in kept])


def saves_itself(
    hooks: Sequence[tf.compat.v1.train.SessionRunHook], config: Any, saving_listeners: Sequence
) -> bool:
    """Returns whether the runtime saves checkpoints, rather than a hook of the user's or nobody.

    Args:
      hooks: The user's hooks; a CheckpointSaverHook among them gets the listeners.
      config: The RunConfig.
      saving_listeners: CheckpointSaverListeners.

    Raises:
      ValueError: Listeners are given, but nothing saves checkpoints.
    """
    own = [h for h in hooks if isinstance(h, tf.compat.v1.train.CheckpointSaverHook)]
    if own:
        if saving_listeners:
            add_saving_listeners(own[0], saving_listeners)
        return False
    saves = bool(config.save_checkpoints_secs or config.save_checkpoints_steps)
    validate_listeners_have_saver(saving_listeners, saves)
    return saves


def create_saver_hooks(
    hooks: Sequence[tf.compat.v1.train.SessionRunHook],
    scaffold: tf.compat.v1.train.Scaffold,
    config: Any,
    model_dir: str,
    saving_listeners: Sequence,
) -> list[tf.compat.v1.train.SessionRunHook]:
    """Returns the runtime's own checkpoint hook, or none where the user has one.

    Args:
      hooks: The hooks that will run; a CheckpointSaverHook among them takes the place of ours and
        gets the listeners.
      scaffold: Where the saver is.
      config: The RunConfig.
      model_dir: Where checkpoints go.
      saving_listeners: CheckpointSaverListeners.

    Raises:
      ValueError: Listeners are given, but nothing saves checkpoints.
    """
    if not saves_itself(hooks, config, saving_listeners):
        return []
    return [
        tf.compat.v1.train.CheckpointSaverHook(
            model_dir,
            save_secs=config.save_checkpoints_secs,
            save_steps=config.save_checkpoints_steps,
            scaffold=scaffold,
            listeners=list(saving_listeners),
            save_graph_def=config.checkpoint_save_graph_def,
        )
    ]
