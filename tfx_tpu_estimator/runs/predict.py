"""Prediction on devices: exactly the input's examples, in order."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.checkpoints.fit import FitHook
from tfx_tpu_estimator.checkpoints.warm_start import apply_warm_start
from tfx_tpu_estimator.execution.host_predict import select_predictions
from tfx_tpu_estimator.execution.state import gather_outputs
from tfx_tpu_estimator.inputs.host_stream import InputLoop, plan_loops
from tfx_tpu_estimator.inputs.padding import drop_padding
from tfx_tpu_estimator.modes import ModeKeys
from tfx_tpu_estimator.runs.device_hooks import prepare_hooks
from tfx_tpu_estimator.runs.engine import BuiltModel, Engine
from tfx_tpu_estimator.runs.host_function import join_replicas
from tfx_tpu_estimator.runs.host_session import HostMirror
from tfx_tpu_estimator.runs.lockstep import LockstepInput
from tfx_tpu_estimator.runs.requests import PredictRequest

_PREFIX = "predictions/"


def predict(engine: Engine, request: PredictRequest) -> Iterator[dict[str, np.ndarray]]:
    """Yields the predictions of each batch, without padding.

    No graph or session is left as the default one between batches. Closing the generator ends the
    input's thread and the session. All processes of a run yield the same; each batch waits until
    all have asked for it.

    Raises:
      ValueError: Batch sizes, input or model_fn cannot run on the devices, or the checkpoint does
        not fit.
    """
    setting = engine.resolve_input(ModeKeys.PREDICT)
    deployed = engine.deploy(setting, request.input_fn)
    built = engine.build(setting, deployed.structure.features, deployed.structure.labels)
    deployed = built.prepare(deployed)
    with built.traced.host_scope("prediction"):
        apply_warm_start(request.warm_start, request.checkpoint)
    keys = dict.fromkeys(built.traced.outputs.prediction_keys)
    keys = tuple(select_predictions(keys, request.predict_keys))
    mirror = HostMirror(built.traced, built.executable.program)
    with contextlib.ExitStack() as stack:
        session = stack.enter_context(_open(engine, built, request))
        raw = session.raw_session()
        step = int(raw.run(mirror.read_step))
        state = built.executable.place_state(mirror.read_initial(raw))
        loops = stack.enter_context(
            LockstepInput(engine.group, deployed, next_loop=plan_loops(1), place=built.place)
        )
        for loop in loops:
            _, outputs = built.executable.run(state, step, loop.batches)
            with built.traced.graph.as_default():
                session.run(mirror.read_step)  # for the hooks
                if session.should_stop():
                    loops.stop()
            yield _collect(outputs, keys, loop, broadcast=setting.broadcast)


def _collect(
    outputs: dict[str, Any], keys: Sequence[str], loop: InputLoop, *, broadcast: bool
) -> dict[str, np.ndarray]:
    # A key may be a tuple, as those of several heads are.
    names = {key: f"{_PREFIX}{key}" for key in keys}
    wanted = gather_outputs({name: outputs[name] for name in names.values()})
    batch = {
        key: join_replicas(wanted[name][0], broadcast=broadcast) for key, name in names.items()
    }
    if loop.valid is None:
        return batch
    _validate_rows(batch, loop.valid.size)
    return drop_padding(batch, loop.valid)


def _validate_rows(batch: dict[str, np.ndarray], count: int) -> None:
    """Checks that predictions have a row for each example, without which no padding is dropped.

    Raises:
      ValueError: Some have not.
    """
    lengths = {key: len(rows) for key, rows in batch.items()}
    if set(lengths.values()) - {count}:
        raise ValueError(
            "Batch length of predictions should be same. Got {key: rows of all replicas} "
            f"{lengths} for a batch of {count} examples, so that padding of a partial batch cannot "
            "be told apart. Give what is not per example a row for each with tf.tile, leave it out "
            "by `predict_keys`, or batch with drop_remainder=True."
        )


@contextlib.contextmanager
def _open(engine: Engine, built: BuiltModel, request: PredictRequest) -> Iterator[Any]:
    """A session that is not the default one while the caller of the generator has its turn."""
    traced = built.traced
    # Of several processes only the chief has hooks.
    hooks: list[tf.compat.v1.train.SessionRunHook] = []
    if engine.group.is_chief:
        users = [*request.hooks, *(traced.spec.prediction_hooks or ())]
        hooks = prepare_hooks(users, traced, lambda: None)
    fit = FitHook(request.checkpoint, traced.scaffold, "the model_fn in mode 'infer'")
    with traced.graph.as_default():
        session = tf.compat.v1.train.SingularMonitoredSession(
            hooks=[*hooks, fit],
            scaffold=traced.scaffold or tf.compat.v1.train.Scaffold(),
            master=engine.session_master(ModeKeys.PREDICT),
            checkpoint_filename_with_path=request.checkpoint,
        )
    failed = True
    try:
        yield session
        failed = False
    finally:
        with traced.graph.as_default():
            if failed:
                session.__exit__(GeneratorExit, None, None)
            else:
                session.close()
