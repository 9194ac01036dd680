"""Calls a module's `run_fn` as the standard Trainer does."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from tfx import types
from tfx.components.trainer import fn_args_utils
from tfx.dsl.io import fileio
from tfx.utils import path_utils

from tfx_tpu_estimator.checkpoints import layout

from ..constants import SAVED_MODEL_FILE
from ..data_errors import explain_data_errors
from ..user_module import RUN_FN, UserModule
from .functions_form import TrainedModel
from .inputs import TrainerInputs


def train_run_fn(
    module: UserModule,
    inputs: TrainerInputs,
    input_dict: Mapping[str, Sequence[types.Artifact]],
    exec_properties: Mapping[str, Any],
    model_uri: str,
    checkpoint_dir: str,
    *,
    exports: bool = True,
) -> TrainedModel:
    """Runs the run_fn form.

    Args:
        module: The user's module.
        inputs: The resolved inputs.
        input_dict: Artifacts, as the executor got them.
        exec_properties: Properties, as the executor got them.
        model_uri: The Model artifact's directory.
        checkpoint_dir: Durable directory, handed over as `fn_args.model_run_dir`; a retry gets
            the same one with what is in it.
        exports: Whether this process must export the model; of several only the chief must.

    Raises:
        RuntimeError: If run_fn wrote no SavedModel to `fn_args.serving_model_dir`.
        DataCorruptionError: If run_fn failed on its data and a file cannot be read.
    """
    fn_args = make_fn_args(inputs, input_dict, exec_properties, checkpoint_dir)
    fn_args.serving_model_dir = path_utils.serving_model_dir(model_uri)
    fn_args.eval_model_dir = path_utils.eval_model_dir(model_uri)
    with explain_data_errors(inputs.train, inputs.evaluation):
        module.functions[RUN_FN](fn_args)
    serving_path = path_utils.serving_model_path(model_uri)
    has_exported = fileio.exists(os.path.join(serving_path, SAVED_MODEL_FILE))
    if exports and not has_exported:
        raise RuntimeError(
            f"`run_fn` of {module.label!r} returned, but there is no {SAVED_MODEL_FILE} in "
            f"`fn_args.serving_model_dir` ({fn_args.serving_model_dir}); export the model there."
        )
    return TrainedModel(
        metrics={}, global_step=find_global_step(serving_path, checkpoint_dir), program=None
    )


def make_fn_args(
    inputs: TrainerInputs,
    input_dict: Mapping[str, Sequence[types.Artifact]],
    exec_properties: Mapping[str, Any],
    checkpoint_dir: str,
) -> fn_args_utils.FnArgs:
    """Returns what `run_fn` and `trainer_fn` are given, without the directories of the model.

    Args:
        inputs: The resolved inputs.
        input_dict: Artifacts, as the executor got them.
        exec_properties: Properties, as the executor got them.
        checkpoint_dir: Durable directory.
    """
    fn_args = fn_args_utils.get_common_fn_args(
        {key: list(artifacts) for key, artifacts in input_dict.items()}, dict(exec_properties)
    )
    fn_args.transform_output = fn_args.transform_graph_path
    fn_args.schema_file = fn_args.schema_path
    fn_args.statistics_path = inputs.data.statistics_path
    fn_args.hyperparameters = inputs.data.hyperparameters
    fn_args.custom_config = dict(inputs.custom_config)
    fn_args.model_run_dir = checkpoint_dir
    return fn_args


def find_global_step(serving_path: str, checkpoint_dir: str) -> int | None:
    """Returns the step in the model's own variables, else in the checkpoints; None without one."""
    prefix = os.path.join(serving_path, "variables", "variables")
    candidates = [prefix] if fileio.exists(f"{prefix}.index") else []
    latest = layout.find_latest(checkpoint_dir)
    if latest is not None:
        candidates.append(latest)
    for checkpoint in candidates:
        if tf.train.load_checkpoint(checkpoint).has_tensor(tf.compat.v1.GraphKeys.GLOBAL_STEP):
            return layout.read_global_step(checkpoint)
    return None
