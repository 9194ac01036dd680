"""Prediction with the host engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.execution.host_graph import (
    HostGraph,
    join_hooks,
    session_address,
    session_config,
)
from tfx_tpu_estimator.inputs.input_fn import check_end_of_input


def select_predictions(predictions: Any, predict_keys: Sequence[str] | None) -> Any:
    """Keeps of `predictions` what `predict_keys` names.

    Raises:
      ValueError: Keys given for predictions that are not a dict, or none of them is there.
    """
    if not predict_keys:
        return predictions
    if not isinstance(predictions, dict):
        raise ValueError(
            "predict_keys argument is not valid in case of non-dict predictions; got "
            f"{type(predictions).__name__}."
        )
    selected = {key: value for key, value in predictions.items() if key in predict_keys}
    if not selected:
        raise ValueError(
            f"Expected to run at least one output from {sorted(predictions)}, provided "
            f"{list(predict_keys)}."
        )
    return selected


def split_batch(batch: Any) -> Iterator[Any]:
    """Yields the examples of one batch of predictions, in order.

    Args:
      batch: An array [batch, ...] or a dict of such arrays.

    Raises:
      ValueError: The arrays differ in their first dimension, or have none.
    """
    if not isinstance(batch, dict):
        yield from batch
        return
    # -1 stands for a scalar, which has no examples to split.
    lengths = {key: np.shape(value)[0] if np.ndim(value) else -1 for key, value in batch.items()}
    if len(set(lengths.values())) != 1 or -1 in lengths.values():
        raise ValueError(
            "Batch length of predictions should be same. Got {key: length} "
            f"{lengths}; use yield_single_examples=False for outputs that are not per example."
        )
    for i in range(next(iter(lengths.values()))):
        yield {key: value[i] for key, value in batch.items()}


def run_prediction(
    built: HostGraph,
    predictions: Any,
    *,
    hooks: Sequence[tf.compat.v1.train.SessionRunHook],
    config: Any,
    checkpoint: str | None,
    last_hooks: Sequence[tf.compat.v1.train.SessionRunHook] = (),
) -> Iterator[Any]:
    """Yields the predictions of each batch until the input ends.

    No graph or session is left as the default one between batches, so that several predictions
    can be consumed in turns. Closing the generator closes the session.

    Args:
      built: The graph.
      predictions: The tensors to fetch, a tensor or a dict.
      hooks: The caller's hooks; those of the spec are added.
      config: The RunConfig.
      checkpoint: Prefix of the checkpoint to restore; None to initialise.
      last_hooks: Hooks whose `begin` is called after that of all others, just before the restore.
    """
    with built.graph.as_default():
        session = tf.compat.v1.train.SingularMonitoredSession(
            hooks=[*join_hooks(hooks, built.spec), *built.hooks, *last_hooks],
            scaffold=built.scaffold,
            master=session_address(config),
            config=session_config(config),
            checkpoint_filename_with_path=checkpoint,
        )
    done = 0
    failed = True
    try:
        while True:
            with built.graph.as_default():
                if session.should_stop():
                    break
                try:
                    batch = session.run(predictions)
                except tf.errors.OutOfRangeError as error:
                    check_end_of_input(error, max(done, 1))
                    break
            done += 1
            yield batch
        failed = False
    finally:
        with built.graph.as_default():
            if failed:
                session.__exit__(GeneratorExit, None, None)
            else:
                session.close()
